/* frames: backtrace(3), for the C libraries that have none. */
#ifndef FRAMES_H
#define FRAMES_H

#if __has_include(<execinfo.h>)
#include <execinfo.h>
#else
#include <dlfcn.h>
#include <stdint.h>
#include <unwind.h>

/* Internal: where backtrace writes, how much room is left, and the functions of
 * the compiler's library, which need not be there. */
struct frames_room {
    void **next;
    int left;
    _Unwind_Reason_Code (*walk)(_Unwind_Trace_Fn each, void *arg);
    uintptr_t (*address)(struct _Unwind_Context *context);
};

static inline _Unwind_Reason_Code
frames_note(struct _Unwind_Context *context, void *arg) {
    struct frames_room *room = arg;
    if (room->left-- <= 0)
        return _URC_END_OF_STACK;
    *(uintptr_t *)room->next++ = room->address(context);
    return _URC_NO_REASON;
}

/* Loads the functions at the first call. */
static inline void
frames_load(struct frames_room *room) {
    static void *_Atomic library;
    if (!library)
        library = dlopen("libgcc_s.so.1", RTLD_NOW);
    if (!library)
        return;
    *(void **)&room->walk = dlsym(library, "_Unwind_Backtrace");
    *(void **)&room->address = dlsym(library, "_Unwind_GetIP");
}

/* backtrace writes the addresses of the calls that led here, at most `most`,
 * the caller's first. Returns how many, 0 without libgcc_s. It ends at a
 * function that has no table for unwinding, as those of musl. */
__attribute__((always_inline)) static inline int
backtrace(void *frames[], int most) {
    struct frames_room room = {frames, most, NULL, NULL};
    frames_load(&room);
    if (room.walk && room.address)
        room.walk(frames_note, &room);
    return (int)(room.next - frames);
}
#endif

#endif
