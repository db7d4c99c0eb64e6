/* handler: which code is live: copy, load, bind names, swap or keep. */
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
    char build_id[HANDLER_ID_SIZE]; /* a checksum of the file's content */
    bool pinned;
};

/* handler_copy copies the source's code to run/handler.COPY.so: a name that
 * never was, since the loader gives the old code for a name that it knows. Sets
 * the build id; writes the path, for handler_load. */
int handler_copy(int dir, struct handler *handler, char path[48],
                 char reason[WHY_SIZE]);

/* handler_load loads a file, `path` from the folder `dir`, and holds its table
 * against the server's ABI. Returns 0, or -1 with the reason. */
int handler_load(int dir, const char *path, struct handler *handler,
                 char reason[WHY_SIZE]);

/* handler_drop unloads code that is not in use, and removes its copy. */
void handler_drop(int dir, struct handler *handler);

/* handler_fits tells whether code can go on with a state. */
int handler_fits(const struct svr_handler *table, size_t state_size,
                 int state_version, char reason[WHY_SIZE]);

/* handler_make_room lets the oldest of HANDLER_KEPT generations go, unless it
 * is pinned; before handler_use, which makes a generation the live one. Returns
 * the former, which handler_back puts back. */
void handler_make_room(int dir);
struct handler *handler_use(const struct handler *handler);
void handler_back(struct handler *former);

/* handler_live is the generation in use. */
struct handler *handler_live(void);

/* handler_name is a callback's name, looked up in all generations that are
 * mapped, or NULL; any thread. handler_index is its place in a table, or -1. */
const char *handler_name(svr_call *call);
int handler_index(const struct svr_handler *table, const char *name);

/* handler_call calls the live code's callback of that name. Returns its result,
 * or HANDLER_GONE, with a warning, when there is none. */
enum { HANDLER_GONE = -1000 };
int handler_call(const char *name, void *arg);

#endif
