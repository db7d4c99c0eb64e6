/* control: signals, the control socket, and the time limit of a close. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "failure.h"
#include "folder.h"
#include "lock.h"
#include "log.h"
#include "loop.h"
#include "part.h"
#include "reload.h"
#include "signals.h"
#include "status.h"
#include "watchdog.h"

#define PID_FILE     "run/" SVR_PROJECT ".pid"
#define CONTROL_FILE "run/control"
enum { CLIENTS = 32, REQUEST_SIZE = 64 };
enum { FIGURES_MS = 300, RETRY_MS = 100, READ_MS = 100, SEND_MS = 2000 };
#define MILLI INT64_C(1000000)

/* A client whose answer is still to come. */
enum wait { NOBODY, VERDICT, FIGURES, END };
struct client {
    enum wait wait;
    int fd;
    unsigned pass; /* number of the verdict, or of the figures, to wait for */
    int64_t deadline; /* when to answer without them */
    char request[REQUEST_SIZE];
};

static void (*begin_close)(int exit_code);
static pthread_t thread;
static bool serves; /* the thread runs */
static atomic_bool stops;
static int folder, removals = -1, listener = -1;
static int spare = -1; /* kept for a client when no other one is free */
static struct client clients[CLIENTS + 1]; /* the last slot is to refuse one */
static bool reload_wanted;
static unsigned reloads_begun;

/* Shared with the loop. */
static atomic_uint figures_wanted, figures_written;
static _Atomic int64_t force_at = INT64_MAX;
static _Atomic double force_delay, reload_wait = 10;
static atomic_int force_status;

/* ---- Clients ---------------------------------------------------------- */

/* Closes a client's connection. If the spare descriptor was used, this one is
 * the next spare; no other thread can take it in between. */
static void
hang_up(struct client *client) {
    if (spare < 0 && dup3(listener, client->fd, O_CLOEXEC) == client->fd)
        spare = client->fd;
    else
        close(client->fd);
    client->wait = NOBODY;
}

/* Answers with the exit status for svr.sh and a text. */
static void
answer_client(struct client *client, int code, const char *text) {
    dprintf(client->fd, "%d%s\n", code, text);
    hang_up(client);
}

/* Answers with the status, in the form that the second word of the request
 * names. */
static void
answer_status(struct client *client, bool stale) {
    const char *space = strchr(client->request, ' ');
    errno = 0;
    char *text = status_render(space ? space + 1 : "", stale);
    if (text) {
        text[strlen(text) - 1] = '\0'; /* its newline */
        answer_client(client, 0, text);
    } else if (errno == ENOMEM) {
        answer_client(client, 1, "no memory for the status");
    } else {
        answer_client(client, 2, "unknown form of the status");
    }
    free(text);
}

static void
await_verdict(struct client *client) {
    client->wait = VERDICT;
    client->pass = reloads_begun + 1;
    client->deadline = loop_now() + (int64_t)(reload_wait * 1e9);
    reload_wanted = true;
}

static void
await_figures(struct client *client) {
    client->wait = FIGURES;
    client->pass = ++figures_wanted;
    client->deadline = loop_now() + FIGURES_MS * MILLI;
    loop_wake();
}

/* Answers a request, or notes what the client waits for. */
static void
serve_request(struct client *client) {
    const char *request = client->request;
    char state[64];
    enum part_answer answer = PART_TAKEN;
    if (strcmp(request, "close") == 0) {
        client->wait = END;
        client->deadline = INT64_MAX;
        begin_close(0);
    } else if (strcmp(request, "state") == 0) {
        reload_state(state, sizeof state);
        answer_client(client, 0, state);
    } else if (strcmp(request, "status") == 0 ||
               strncmp(request, "status ", strlen("status ")) == 0) {
        await_figures(client);
    } else {
        answer = strcmp(request, "reload") == 0
                     ? PART_RELOADS
                     : part_request(request, client->fd);
    }
    if (answer == PART_RELOADS)
        await_verdict(client);
    else if (answer == PART_UNKNOWN)
        answer_client(client, 2, "unknown request");
}

/* Reads a request, which may come in pieces. Returns false if there is none in
 * time; the connection is then closed. */
static bool
read_request(struct client *client) {
    struct pollfd ready = {.fd = client->fd, .events = POLLIN};
    int64_t until = loop_now() + READ_MS * MILLI;
    for (size_t used = 0; used < REQUEST_SIZE;) {
        ssize_t got = 0;
        if (poll(&ready, 1, loop_millis(until, loop_now())) > 0)
            got = recv(client->fd, client->request + used, REQUEST_SIZE - used,
                       0);
        if (got <= 0) {
            hang_up(client);
            return false;
        }
        used += (size_t)got;
        char *end = memchr(client->request, '\n', used);
        if (end) {
            *end = '\0';
            return true;
        }
    }
    answer_client(client, 1, "a request is one line of at most 63 bytes");
    return false;
}

/* Accepts a client, with the spare descriptor if no other one is free. If that
 * one is in use too, the client waits in the queue. */
static int
accept_client(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    if (spare < 0) {
        poll(NULL, 0, RETRY_MS);
        return -1;
    }
    close(spare);
    spare = -1;
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void
admit(void) {
    const struct timeval patience = {.tv_sec = SEND_MS / 1000};
    struct client *client = clients;
    int fd = accept_client();
    if (fd < 0)
        return;
    while (client < clients + CLIENTS && client->wait != NOBODY)
        client++;
    *client = (struct client){.fd = fd};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (client == clients + CLIENTS)
        answer_client(client, 1, "too many clients wait: try again");
    else if (read_request(client))
        serve_request(client);
}

/* Answers a waiting client, if its answer has come or its time is over. */
static void
look_at_client(struct client *client, int64_t now) {
    char text[STATUS_TEXT];
    bool figures = (int)(figures_written - client->pass) >= 0;
    bool verdict = (int)(status_verdicts() - client->pass) >= 0;
    bool late = now >= client->deadline;
    if (client->wait == FIGURES && (figures || late))
        answer_status(client, !figures);
    else if (client->wait == VERDICT && verdict)
        answer_client(client, status_verdict(text), text);
    else if (client->wait == VERDICT && late)
        answer_client(
            client, 4,
            "pending: the server is busy; it reloads when the present "
            "call ends (./svr.sh status shows the verdict)");
}

/* ---- run/ ------------------------------------------------------------- */

/* Shows the server in run/: the pid file, and the socket, for the owner only;
 * its path may be of any length. */
static int
show_server(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char pid[16];
    size_t length = (size_t)sprintf(pid, "%d\n", (int)getpid());
    int result = folder_replace(folder, PID_FILE, pid, length, 0644, NULL);
    if (result < 0)
        svr_fail(PID_FILE ": %s", strerror(errno));
    snprintf(address.sun_path, sizeof address.sun_path,
             "/proc/self/fd/%d/" CONTROL_FILE, folder);
    unlinkat(folder, CONTROL_FILE, 0);
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener < 0 || fchmod(listener, 0600) < 0 ||
        bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, CLIENTS) < 0)
        result = svr_fail(CONTROL_FILE ": %s", strerror(errno));
    return result;
}

void
control_remove(void) {
    unlinkat(folder, PID_FILE, 0);
    unlinkat(folder, CONTROL_FILE, 0);
}

/* Has the thread woken when a file of run/ is removed; an idle server never
 * wakes to look. */
static void
watch_removals(void) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d/run", folder);
    inotify_add_watch(removals, path,
                      IN_DELETE | IN_MOVED_FROM | IN_DELETE_SELF |
                          IN_MOVE_SELF | IN_ONLYDIR);
}

/* Restores run/, if it was removed under the server. */
static void
restore_run(void) {
    char events[4096];
    struct stat socket;
    while (read(removals, events, sizeof events) > 0)
        continue;
    int result = lock_restore(folder);
    if (result < 0)
        svr_err("run/ was removed, and cannot be restored: %s",
                failure_reason());
    if (result < 0 ||
        (result == 0 && fstatat(folder, CONTROL_FILE, &socket, 0) == 0))
        return;
    svr_warn("run/ was removed under the server; it is restored");
    close(listener);
    if (show_server() < 0)
        svr_err("%s", failure_reason());
    watch_removals();
}

/* ---- What is due ------------------------------------------------------ */

static void
take_signals(void) {
    int number;
    while ((number = signals_take()) != 0) {
        bool closes = number == SIGTERM || number == SIGINT;
        svr_info("signal %d%s", number, closes ? "" : ": reload");
        if (closes)
            begin_close(0);
        else
            reload_wanted = true;
    }
}

/* Answers all clients that wait for the same thing. */
static void
answer_all(enum wait wait, int code, const char *text) {
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].wait == wait)
            answer_client(&clients[i], code, text);
}

/* Ends the process by force; logs what the loop is stuck in. */
static void
force_end(void) {
    char name[64];
    watchdog_doing(name);
    svr_warn("close: forced after %g s%s%s, exit_code = %d", force_delay,
             *name ? ", stuck in " : "", name, force_status);
    control_remove();
    log_drain();
    answer_all(END, 1,
               "closed by force: it did not end within "
               "svr.close.force_close_delay");
    _exit(force_status);
}

/* Begins one reload for all requests so far; later ones get one of their own.
 */
static void
begin_reload(void) {
    reload_wanted = false;
    reloads_begun++;
    reload_begin();
}

/* Does all that is due. Returns the time of the next look. */
static int64_t
look_after(void) {
    int64_t now = loop_now(), look = watchdog_judge(), next = force_at;
    if (now >= next)
        force_end();
    next = look < next ? look : next;
    take_signals();
    status_publish();
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].wait != NOBODY)
            look_at_client(&clients[i], now);
        if (clients[i].wait != NOBODY && clients[i].deadline < next)
            next = clients[i].deadline;
    }
    if (reload_wanted && reloads_begun == status_verdicts())
        begin_reload();
    return next;
}

/* Waits for a signal, signals_wake, a client or a removal in run/. */
static void
wait_for_news(int64_t next) {
    struct pollfd polls[] = {{.fd = signals_fd(), .events = POLLIN},
                             {.fd = listener, .events = POLLIN},
                             {.fd = removals, .events = POLLIN}};
    if (poll(polls, sizeof polls / sizeof *polls,
             loop_millis(next, loop_now())) <= 0)
        return;
    if (polls[1].revents)
        admit();
    if (polls[2].revents)
        restore_run();
}

static void *
run_control(void *unused) {
    while (!stops)
        wait_for_news(look_after());
    return unused;
}

int
control_open(int dir, void (*its_close)(int exit_code)) {
    folder = dir;
    begin_close = its_close;
    if (show_server() < 0)
        return -1;
    removals = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (spare < 0)
        return svr_fail("/dev/null: %s", strerror(errno));
    if (removals >= 0)
        watch_removals();
    status_open(dir, signals_wake);
    int error = signals_thread(&thread, run_control, NULL);
    serves = error == 0;
    return error ? svr_fail("thread: %s", strerror(error)) : 0;
}

void
control_limits(double wait) {
    reload_wait = wait;
}

void
control_arm(double seconds, int status) {
    force_status = status;
    force_delay = seconds;
    force_at = loop_now() + (int64_t)(seconds * 1e9);
    signals_wake();
}

void
control_turn(void) {
    unsigned wanted = figures_wanted;
    if (figures_written == wanted)
        return;
    status_refresh();
    figures_written = wanted;
    signals_wake();
}

bool
control_reloads(void) {
    return reload_wanted || reloads_begun != status_verdicts();
}

void
control_stop(int code, const char *text) {
    stops = true;
    if (!serves)
        return;
    signals_wake();
    pthread_join(thread, NULL);
    answer_all(END, code, text);
    answer_all(VERDICT, 1, "rejected: the server has closed");
}
