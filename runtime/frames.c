/* frames: which calls led here. */
#define _GNU_SOURCE
#include <link.h>
#include <stdint.h>
#include <unwind.h>

#include "frames.h"

/* Where the addresses go; frames_take's own, the first, is left out. */
struct frames {
    void **addresses;
    int count, most;
};

static _Unwind_Reason_Code
note_frame(struct _Unwind_Context *context, void *arg) {
    struct frames *frames = arg;
    uintptr_t address = _Unwind_GetIP(context);
    if (frames->count == frames->most || address == 0)
        return _URC_END_OF_STACK;
    if (frames->count >= 0)
        *(uintptr_t *)&frames->addresses[frames->count] = address;
    frames->count++;
    return _URC_NO_REASON;
}

__attribute__((noinline)) int
frames_take(void *addresses[], int most) {
    struct frames frames = {addresses, -1, most};
    _Unwind_Backtrace(note_frame, &frames);
    return frames.count < 0 ? 0 : frames.count;
}

#if !__has_include(<gnu/libc-version.h>)
/* A compiler whose library was built for glibc asks glibc's loader which object
 * is at an address, and where its table for unwinding is. */
struct object {
    uint64_t flags;
    uintptr_t address, end, map, table;
    uint64_t reserved[8];
};

static int
match_object(struct dl_phdr_info *info, size_t size, void *arg) {
    struct object *object = arg;
    int here = 0;
    (void)size;
    object->table = 0;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *piece = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + piece->p_vaddr;
        if (piece->p_type == PT_GNU_EH_FRAME)
            object->table = begin;
        here |= piece->p_type == PT_LOAD &&
                object->address - begin < piece->p_memsz;
    }
    return here;
}

int _dl_find_object(void *address, struct object *result);
int
_dl_find_object(void *address, struct object *result) {
    *result = (struct object){.address = (uintptr_t)address};
    return dl_iterate_phdr(match_object, result) && result->table ? 0 : -1;
}
#endif
