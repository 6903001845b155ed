/* csrc/ir/names.c -- see names.h. */
#include "ir/names.h"

toffee_code
toffee_names_add(toffee_names *names, const toffee_str *name, toffee_status *st)
{
    return toffee_ptrmap_set(names->arena, &names->taken, name, (void *)(uintptr_t)name)
               ? TOFFEE_OK
               : toffee_fail_nomem(st);
}

toffee_code
toffee_names_take(toffee_names *names, const toffee_str *name, const toffee_str **out,
                  toffee_status *st)
{
    size_t *number = toffee_ptrmap_get(&names->numbers, name);

    if (number == NULL) {
        number = toffee_arena_calloc(names->arena, 1, sizeof(*number));
        if (number == NULL || !toffee_ptrmap_set(names->arena, &names->numbers, name, number)) {
            return toffee_fail_nomem(st);
        }
    }
    *out = name;
    while (toffee_ptrmap_get(&names->taken, *out) != NULL) {
        const char *text = toffee_arena_printf(names->arena, "%s_%zu", name->text, ++*number);

        *out = text != NULL ? toffee_graph_intern(names->graph, text) : NULL;
        if (*out == NULL) {
            return toffee_fail_nomem(st);
        }
    }
    return toffee_names_add(names, *out, st);
}

toffee_code
toffee_names_take_node(toffee_names *names, const char *path, size_t path_length,
                       const toffee_str *op_type, const toffee_str **out, toffee_status *st)
{
    const toffee_str *name = op_type;

    if (path_length != 0) {
        const char *text =
            toffee_arena_printf(names->arena, "%.*s/%s", (int)path_length, path, op_type->text);

        name = text != NULL ? toffee_graph_intern(names->graph, text) : NULL;
        if (name == NULL) {
            return toffee_fail_nomem(st);
        }
    }
    return toffee_names_take(names, name, out, st);
}
