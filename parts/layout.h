/* layout: refuses a reload whose types changed under living data (recommended)
 *
 * needs: layout-reader
 * header: elfutils/libdw.h libdw-dev elfutils-dev
 *
 * From the debug information (-g) of the live code and of the new one it
 * compares the state's struct and every type that is reachable from it. A
 * change that would make the new code misread what is in memory rejects the
 * reload, unless state_version changed too: then migrate takes care of it.
 * What stands behind a void pointer is not reachable; name it, once, anywhere
 * in your sources. docs/layout.md has the rest. */
#ifndef LAYOUT_H
#define LAYOUT_H

/* SVR_TYPES(struct client, struct job); names types that living data has, so
 * that a reload compares them. They must be complete there. */
#define SVR_TYPES(...)          SVR_TYPES_AT(__LINE__, __VA_ARGS__)
#define SVR_TYPES_AT(line, ...) SVR_TYPES_NAMED(line, __VA_ARGS__)
#define SVR_TYPES_NAMED(line, ...)                                             \
    static void (*const svr_types_##line)(__VA_ARGS__) __attribute__((used)) = 0

#endif
