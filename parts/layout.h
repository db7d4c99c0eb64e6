/* layout: refuses a reload whose types changed under live data (recommended)
 *
 * needs: layout-reader
 * header: elfutils/libdw.h libdw-dev elfutils-dev
 *
 * It compares the state's struct, and every type that can be reached from it,
 * in the debug information (-g) of the live and the new code. A change that
 * would make the new code misread what is in memory rejects the reload, unless
 * state_version changed too: then `migrate` takes care of it. A type behind a
 * void pointer cannot be reached; name it, once, anywhere in your sources.
 * docs/layout.md has the details. */
#ifndef LAYOUT_H
#define LAYOUT_H

/* SVR_TYPES(struct client, struct job); names types of live data, so that a
 * reload compares them. They must be complete at that place. */
#define SVR_TYPES(...)          SVR_TYPES_AT(__LINE__, __VA_ARGS__)
#define SVR_TYPES_AT(line, ...) SVR_TYPES_NAMED(line, __VA_ARGS__)
#define SVR_TYPES_NAMED(line, ...)                                             \
    static void (*const svr_types_##line)(__VA_ARGS__) __attribute__((used)) = 0

#endif
