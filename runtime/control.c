/* control: signals, the control socket, and the time limit of a close. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "failure.h"
#include "lock.h"
#include "loop.h"
#include "part.h"
#include "signals.h"
#include "status.h"
#include "watchdog.h"

enum { CLIENTS = 32, REQUEST_SIZE = 64 };
enum { FIGURES_MS = 300, DEAF_MS = 100, READ_MS = 100, SEND_MS = 2000 };
#define MILLI INT64_C(1000000)

/* A client whose answer is still to come. */
enum wait { NOBODY, VERDICT, FIGURES, END };
struct client {
    enum wait wait;
    int fd;
    unsigned pass;    /* the verdict, or the figures, that will answer it */
    int64_t deadline; /* then it gets the last known figures */
    const char *form; /* of the status: "", or an option */
    char request[REQUEST_SIZE];
};

static const struct control_duty *duty;
static pthread_t thread;
static bool serves; /* the thread runs */
static atomic_bool stops;
static int folder, bell = -1, removals = -1, listener = -1;
static int spare = -1; /* given up for a client where no descriptor is free */
static bool deaf;      /* a client waits, and even the spare one is in use */
static struct client clients[CLIENTS];
static bool reload_wanted;
static unsigned reloads_begun;

/* What other threads report. */
static atomic_uint verdicts, figures;
static _Atomic int64_t force_at = INT64_MAX;
static atomic_int force_status;
static _Atomic double reload_wait = 10;

void
control_wake(void) {
    eventfd_write(bell, 1);
}

/* ---- Clients ---------------------------------------------------------- */

/* Closes a client's connection; its descriptor becomes the spare one again,
 * with no moment in which another thread could take it. */
static void
hang_up(struct client *client) {
    if (spare < 0 && dup3(bell, client->fd, O_CLOEXEC) == client->fd)
        spare = client->fd;
    else
        close(client->fd);
    client->wait = NOBODY;
    deaf = false;
}

/* Answers with the exit status for svr.sh and a text. */
static void
answer_client(struct client *client, int code, const char *text) {
    char digit = (char)('0' + code);
    struct iovec pieces[] = {
        {&digit, 1}, {(void *)text, strlen(text)}, {(void *)"\n", 1}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
    while (sendmsg(client->fd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue;
    hang_up(client);
}

/* What is asked for is not of this server: a part of that name would have it.
 */
static void
refuse_without(struct client *client, const char *part) {
    char text[256];
    int length = (int)strcspn(part, " ");
    snprintf(text, sizeof text,
             SVR_PROJECT ": that needs the part %.*s, which this server does "
                         "not have: tiny-new --update --with %.*s . adds it",
             length, part, length, part);
    answer_client(client, 2, text);
}

static void
answer_status(struct client *client, bool stale) {
    errno = 0;
    char *text = status_render(client->form, stale);
    if (text) {
        text[strlen(text) - 1] = '\0'; /* its newline */
        answer_client(client, 0, text);
    } else if (errno == ENOMEM) {
        answer_client(client, 1, "no memory for the status");
    } else {
        refuse_without(client, client->form + strspn(client->form, "-"));
    }
    free(text);
}

static void
request_reload(struct client *client) {
    client->wait = VERDICT;
    client->pass = reloads_begun + 1;
    client->deadline = loop_now() + (int64_t)(reload_wait * 1e9);
    reload_wanted = true;
}

static void
request_close(struct client *client) {
    client->wait = END;
    client->deadline = INT64_MAX;
    duty->close();
}

static void
request_status(struct client *client) {
    const char *space = strchr(client->request, ' ');
    client->form = space ? space + 1 : "";
    client->wait = FIGURES;
    client->pass = figures + 1;
    client->deadline = loop_now() + FIGURES_MS * MILLI;
    duty->ask();
}

static void
request_state(struct client *client) {
    char text[64];
    duty->state(text, sizeof text);
    answer_client(client, 0, text);
}

/* The requests, one line of words; the first is the name. */
static const struct {
    const char *name;
    void (*serve)(struct client *client);
} requests[] = {
    {"reload", request_reload},
    {"close", request_close},
    {"status", request_status},
    {"state", request_state},
};

static void
serve_request(struct client *client) {
    size_t length = strcspn(client->request, " ");
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        if (strlen(requests[i].name) == length &&
            strncmp(client->request, requests[i].name, length) == 0) {
            requests[i].serve(client);
            return;
        }
    }
    enum part_answer done = part_request(client->request, client->fd);
    if (done == PART_RELOADS)
        request_reload(client);
    else if (done == PART_UNKNOWN)
        refuse_without(client, client->request);
}

/* Reads a request, which may come in pieces, or not in time. */
static bool
read_request(struct client *client) {
    int64_t until = loop_now() + READ_MS * MILLI;
    for (size_t used = 0; used < REQUEST_SIZE;) {
        struct pollfd ready = {.fd = client->fd, .events = POLLIN};
        int left = loop_millis(until, loop_now());
        errno = 0; /* what is interrupted is tried again */
        ssize_t got = left > 0 && poll(&ready, 1, left) > 0
                          ? recv(client->fd, client->request + used,
                                 REQUEST_SIZE - used, 0)
                          : 0;
        if (got <= 0 && errno != EINTR) {
            hang_up(client);
            return false;
        }
        used += got > 0 ? (size_t)got : 0;
        char *end = memchr(client->request, '\n', used);
        if (end) {
            *end = '\0';
            return true;
        }
    }
    answer_client(client, 2, "a request is one line of at most 63 bytes");
    return false;
}

/* Accepts a client, if need be with the spare descriptor. */
static int
accept_client(void) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    deaf = spare < 0;
    if (deaf)
        return -1;
    close(spare);
    spare = -1;
    return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}

static void
admit(void) {
    const struct timeval patience = {.tv_sec = SEND_MS / 1000};
    struct client extra = {.fd = accept_client()}, *client = &extra;
    if (extra.fd < 0)
        return;
    for (int i = 0; i < CLIENTS && client == &extra; i++)
        if (clients[i].wait == NOBODY)
            client = &clients[i];
    *client = (struct client){.fd = extra.fd};
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (client == &extra)
        answer_client(client, 1, "too many clients wait: try again");
    else if (read_request(client))
        serve_request(client);
}

/* Answers a waiting client, if its answer has come. */
static void
look_at_client(struct client *client, int64_t now) {
    bool late = now >= client->deadline;
    char text[STATUS_TEXT];
    switch (client->wait) {
    case VERDICT:
        if ((int)(verdicts - client->pass) >= 0)
            answer_client(client, status_verdict(text), text);
        else if (late)
            answer_client(
                client, 4,
                "pending: the server is busy; it reloads when the present "
                "call ends (./svr.sh status shows the verdict)");
        break;
    case FIGURES:
        if ((int)(figures - client->pass) >= 0)
            answer_status(client, false);
        else if (late)
            answer_status(client, true);
        break;
    default:
        break;
    }
}

/* ---- run/ ------------------------------------------------------------- */

/* Binds the socket, for the owner only; the path may be of any length. */
static int
bind_control(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path,
             "/proc/self/fd/%d/run/control", folder);
    unlinkat(folder, "run/control", 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    mode_t mask = umask(0177);
    int result = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (result == 0)
        result = listen(fd, CLIENTS);
    listener = fd;
    return result;
}

/* Watches run/ for the removal of a file; nothing else wakes an idle server. */
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
        (result == 0 && fstatat(folder, "run/control", &socket, 0) == 0))
        return;
    svr_warn("run/ was removed under the server; it is restored");
    close(listener);
    if (bind_control() < 0)
        svr_err("run/control: %s", strerror(errno));
    watch_removals();
    duty->restored();
}

/* ---- What is due ------------------------------------------------------ */

static void
take_signals(void) {
    int number;
    while ((number = signals_take()) != 0) {
        bool closes = number == SIGTERM || number == SIGINT;
        svr_info("signal %d%s", number, closes ? "" : ": reload");
        if (closes)
            duty->close();
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

static void
force_end(void) {
    duty->forced();
    answer_all(END, 1,
               "closed by force: it did not end within "
               "svr.close.force_close_delay");
    _exit(force_status);
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
    if (reload_wanted && reloads_begun == verdicts) {
        reload_wanted = false; /* later requests get a reload of their own */
        reloads_begun++;
        duty->reload();
    }
    return deaf && now + DEAF_MS * MILLI < next ? now + DEAF_MS * MILLI : next;
}

/* Waits for a signal, the bell, a client or a removal in run/. */
static void
wait_for_news(int64_t next) {
    struct pollfd polls[] = {{.fd = signals_fd(), .events = POLLIN},
                             {.fd = bell, .events = POLLIN},
                             {.fd = deaf ? -1 : listener, .events = POLLIN},
                             {.fd = removals, .events = POLLIN}};
    eventfd_t rung;
    if (poll(polls, sizeof polls / sizeof *polls,
             loop_millis(next, loop_now())) <= 0)
        return;
    if (polls[1].revents)
        eventfd_read(bell, &rung);
    if (polls[2].revents)
        admit();
    if (polls[3].revents)
        restore_run();
}

static void *
run_control(void *unused) {
    while (!stops)
        wait_for_news(look_after());
    return unused;
}

int
control_open(int dir, const struct control_duty *its_duty) {
    folder = dir;
    duty = its_duty;
    if (bind_control() < 0)
        return svr_fail("run/control: %s", strerror(errno));
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0)
        return svr_fail("eventfd: %s", strerror(errno));
    removals = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (spare < 0)
        return svr_fail("/dev/null: %s", strerror(errno));
    if (removals >= 0)
        watch_removals();
    status_open(dir, control_wake);
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
    force_at = loop_now() + (int64_t)(seconds * 1e9);
    control_wake();
}

bool
control_reloads(void) {
    return reload_wanted || reloads_begun != verdicts;
}

void
control_verdict(void) {
    verdicts++;
    control_wake();
}

void
control_figures(void) {
    figures++;
    control_wake();
}

void
control_stop(int code, const char *text) {
    stops = true;
    if (!serves)
        return;
    control_wake();
    pthread_join(thread, NULL);
    answer_all(END, code, text);
    answer_all(VERDICT, 1, "rejected: the server has closed");
}
