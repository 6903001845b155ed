/* csrc/wire/utf8.h -- whether bytes are text that Python can hold. */
#ifndef TOFFEE_WIRE_UTF8_H
#define TOFFEE_WIRE_UTF8_H

#include "base/config.h"

/* Whether N bytes at TEXT are UTF-8 in the strict sense: shortest form, no surrogates, at most
 * U+10FFFF. NUL is a character like any other. */
bool toffee_utf8_valid(const uint8_t *text, size_t n);

#endif /* TOFFEE_WIRE_UTF8_H */
