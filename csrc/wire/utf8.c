/* csrc/wire/utf8.c */
#include "wire/utf8.h"

#include <string.h>

/* By lead byte: how many bytes follow, and the range of the first of them, which is where overlong
 * forms, surrogates and numbers over U+10FFFF show. */
static const struct {
    uint8_t from, to; /* lead bytes */
    uint8_t n_more;
    uint8_t low, high; /* second byte */
} sequences[] = {
    {0xc2, 0xdf, 1, 0x80, 0xbf}, {0xe0, 0xe0, 2, 0xa0, 0xbf}, {0xe1, 0xec, 2, 0x80, 0xbf},
    {0xed, 0xed, 2, 0x80, 0x9f}, {0xee, 0xef, 2, 0x80, 0xbf}, {0xf0, 0xf0, 3, 0x90, 0xbf},
    {0xf1, 0xf3, 3, 0x80, 0xbf}, {0xf4, 0xf4, 3, 0x80, 0x8f},
};

/* Length of the sequence at TEXT, whose lead byte is not ASCII; 0: not one. */
static size_t
utf8_sequence(const uint8_t *text, size_t n)
{
    for (size_t k = 0; k < TOFFEE_COUNTOF(sequences); k++) {
        size_t length = 1 + (size_t)sequences[k].n_more;

        if (text[0] < sequences[k].from || text[0] > sequences[k].to) {
            continue;
        }
        if (n < length || text[1] < sequences[k].low || text[1] > sequences[k].high) {
            return 0;
        }
        for (size_t i = 2; i < length; i++) {
            if ((text[i] & 0xc0) != 0x80) {
                return 0;
            }
        }
        return length;
    }
    return 0;
}

bool
toffee_utf8_valid(const uint8_t *text, size_t n)
{
    size_t i = 0;

    while (i < n) {
        uint64_t word = 0;
        size_t length = 1;

        if (n - i >= sizeof(word)) {
            memcpy(&word, text + i, sizeof(word));
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                i += sizeof(word);
                continue;
            }
        }
        if (text[i] >= 0x80) {
            length = utf8_sequence(text + i, n - i);
            if (length == 0) {
                return false;
            }
        }
        i += length;
    }
    return true;
}
