/* handler: the generations of code: copy, load, keep, drop. */
#ifndef HANDLER_H
#define HANDLER_H

#include "part.h"

enum { HANDLER_KEPT = 16, HANDLER_ID_SIZE = 17 };

/* A generation of the user's code. */
struct handler {
    unsigned generation;
    const struct source *source;
    unsigned copy; /* the number of its private copy */
    void *code;
    const struct svr_handler *table;
    const char **names;             /* of its callbacks */
    char build_id[HANDLER_ID_SIZE]; /* a checksum of the file's content */
    bool pinned;
};

/* handler_copy copies the source's code to run/handler.COPY.so: a new name each
 * time, because the loader returns the old code for a name that it knows. Sets
 * the build id and writes the path, for handler_load. Returns 0, or -1 as
 * svr_fail. */
int handler_copy(int dir, struct handler *handler, char path[48]);

/* handler_path is the path of the private copy, from the project's folder. */
void handler_path(const struct handler *handler, char path[48]);

/* handler_load loads a file, `path` from the folder `dir`, and checks its table
 * against the server's ABI. Returns 0, or -1 as svr_fail. */
int handler_load(int dir, const char *path, struct handler *handler);

/* handler_drop unloads code that is not in use, and removes its copy. */
void handler_drop(int dir, struct handler *handler);

/* handler_fits checks that code can continue with a state of this size and
 * version. Returns 0, or -1 as svr_fail. */
int handler_fits(const struct svr_handler *table, size_t state_size,
                 int state_version);

/* handler_make_room drops the oldest of HANDLER_KEPT generations, unless it is
 * pinned. Call it before handler_use, which makes a generation the live one and
 * returns the former one; handler_back restores that. */
void handler_make_room(int dir);
struct handler *handler_use(const struct handler *handler);
void handler_back(struct handler *former);

/* handler_live is the generation in use, handler_hooks its table. */
struct handler *handler_live(void);
const struct svr_handler *handler_hooks(void);

/* handler_name is the name of a callback of any generation that is mapped, or
 * NULL; the string is never freed. Any thread. handler_live_name is NULL also
 * when the live code has no callback of that name; loop thread. handler_index
 * is the index of a name in the live code's table, or -1. */
const char *handler_name(svr_call *call);
const char *handler_live_name(svr_call *call);
int handler_index(const char *name);

/* handler_call calls the live code's callback of that name. Returns its result,
 * or HANDLER_GONE, with a warning, when there is none. */
enum { HANDLER_GONE = -1000 };
int handler_call(const char *name, void *arg);

#endif
