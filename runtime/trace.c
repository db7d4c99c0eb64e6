/* trace: who called whom, by name. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "part.h"
#include "trace.h"

/* Writes the name of the function at an address. */
static void
name_of(char *address, char *text, size_t size) {
    Dl_info there, here;
    char name[64];
    if (!dladdr(address, &there) ||
        !dladdr((void *)(uintptr_t)name_of, &here)) {
        snprintf(text, size, "%p", (void *)address);
        return;
    }
    bool own = there.dli_fbase == here.dli_fbase;
    size_t offset = (size_t)(address - (char *)there.dli_fbase), inner = 0;
    const char *file = strrchr(there.dli_fname, '/');
    if (part_symbol(own ? "/proc/self/exe" : there.dli_fname, offset, name,
                    &inner))
        snprintf(text, size, "%s+0x%zx", name, inner);
    else if (there.dli_sname)
        snprintf(text, size, "%s+0x%zx", there.dli_sname,
                 (size_t)(address - (char *)there.dli_saddr));
    else
        snprintf(text, size, "%s+0x%zx", file ? file + 1 : there.dli_fname,
                 offset);
}

void
trace_text(void *const frames[], int count, int skip, char *text, size_t size) {
    size_t used = 0;
    *text = '\0';
    for (int i = skip; i < count && used + 1 < size; i++) {
        char name[128];
        name_of((char *)frames[i] - (i > 0), name, sizeof name);
        used += (size_t)snprintf(text + used, size - used, "%s%s",
                                 used ? " < " : "", name);
        if (strncmp(name, "main+", 5) == 0)
            break;
    }
    if (used == 0)
        snprintf(text, size, "none");
}
