/* guard: the second thread: signals, control socket, forced close. It runs no
 * user code, so that it answers while a hook is stuck. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "guard.h"
#include "lock.h"
#include "loop.h"
#include "part.h"
#include "signals.h"
#include "status.h"
#include "thread.h"
#include "watch.h"

enum { OWN = 4, CLIENTS = 32, REQUEST_SIZE = 64 };
enum { PATIENCE_MS = 5000, LOOP_ANSWERS_MS = 300, DEAF_MS = 100 };
#define MILLI INT64_C(1000000)

/* What a client of the control socket waits for. */
enum wait { NOBODY, REQUEST, VERDICT, FIGURES, END, ANSWER };

struct client {
    enum wait wait;
    int fd;
    char request[REQUEST_SIZE];
    size_t used;
    unsigned pass;    /* the reload, or the figures, that will answer it */
    int64_t deadline; /* then it gets what there is, or is dropped */
    const char *form; /* of the status: "", or an option */
    char *answer;
    size_t length, sent;
};

static const struct guard_duty *duty;
static int folder, control = -1, bell = -1, removals = -1;
static int spare = -1; /* given up for a client where no descriptor is free */
static bool deaf;      /* a client waits, and not even the spare one is there */
static pthread_t thread;
static bool started;
static struct client clients[CLIENTS];
static bool reload_wanted;
static unsigned reloads_begun;

/* What other threads tell the guard. */
static atomic_uint told[GUARD_NEWS];
static _Atomic int64_t force_at = INT64_MAX;
static atomic_int force_status;
static _Atomic double reload_wait = 10;
static atomic_bool stopping;

void
guard_wake(void) {
    eventfd_write(bell, 1);
}

/* ---- Clients ---------------------------------------------------------- */

/* Closes a client's connection; its descriptor becomes the spare one again,
 * with no moment in which another thread could take it. */
static void
hang_up(int fd) {
    if (spare < 0 && dup3(bell, fd, O_CLOEXEC) == fd)
        spare = fd;
    else
        close(fd);
    deaf = false;
}

static void
drop(struct client *client) {
    hang_up(client->fd);
    free(client->answer);
    client->wait = NOBODY;
}

/* Sends what the client takes now; the rest when it is ready. */
static void
send_answer(struct client *client) {
    ssize_t sent =
        send(client->fd, client->answer + client->sent,
             client->length - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0)
        client->sent += (size_t)sent;
    if (client->sent == client->length || (sent < 0 && errno != EAGAIN))
        drop(client);
}

/* Where there is no memory for a queue: what the socket takes now. */
static void
answer_at_once(struct client *client, int code, const char *text) {
    char digit = (char)('0' + code);
    struct iovec pieces[] = {
        {&digit, 1}, {(void *)text, strlen(text)}, {(void *)"\n", 1}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 3};
    sendmsg(client->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    drop(client);
}

/* Answers with the exit status that svr.sh is to have, and a text. */
static void
answer(struct client *client, int code, const char *text) {
    int length = asprintf(&client->answer, "%d%s\n", code, text);
    if (length < 0) {
        client->answer = NULL;
        answer_at_once(client, code, text);
        return;
    }
    client->length = (size_t)length;
    client->sent = 0;
    client->wait = ANSWER;
    client->deadline = loop_now() + PATIENCE_MS * MILLI;
    send_answer(client);
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
    answer(client, 2, text);
}

static void
answer_status(struct client *client, bool stale) {
    char *text = status_render(client->form, stale);
    if (text && *text)
        text[strlen(text) - 1] = '\0';
    if (text)
        answer(client, 0, text);
    else
        refuse_without(client, client->form + strspn(client->form, "-"));
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
    client->pass = told[GUARD_FIGURES] + 1;
    client->deadline = loop_now() + LOOP_ANSWERS_MS * MILLI;
    duty->ask();
}

static void
request_state(struct client *client) {
    char text[64];
    duty->state(text, sizeof text);
    answer(client, 0, text);
}

static void
request_of_part(struct client *client) {
    enum part_answer done = part_request(client->request, client->fd);
    if (done == PART_TAKEN)
        client->wait = NOBODY;
    else if (done == PART_RELOADS)
        request_reload(client);
    else
        refuse_without(client, client->request);
}

/* What may stand in a request, one line of words; the first is its name. */
static const struct {
    const char *name;
    void (*serve)(struct client *client);
} requests[] = {
    {"reload", request_reload},
    {"close", request_close},
    {"status", request_status},
    {"state", request_state},
};

/* Reads a request, which may come in pieces, or never wholly. */
static void
read_request(struct client *client) {
    ssize_t got = recv(client->fd, client->request + client->used,
                       REQUEST_SIZE - client->used, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    client->used += got > 0 ? (size_t)got : 0;
    char *end = memchr(client->request, '\n', client->used);
    if (end) {
        *end = '\0';
        for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
            size_t length = strcspn(client->request, " ");
            if (strlen(requests[i].name) == length &&
                strncmp(client->request, requests[i].name, length) == 0) {
                requests[i].serve(client);
                return;
            }
        }
        request_of_part(client);
    } else if (got <= 0) {
        drop(client);
    } else if (client->used == REQUEST_SIZE) {
        answer(client, 2, "a request is one line of at most 63 bytes");
    }
}

/* Accepts a client, if need be with the spare descriptor. */
static int
accept_client(void) {
    int fd = accept4(control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    deaf = spare < 0;
    if (deaf)
        return -1;
    close(spare);
    spare = -1;
    return accept4(control, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void
admit(void) {
    int fd = accept_client();
    for (int i = 0; fd >= 0 && i < CLIENTS; i++) {
        if (clients[i].wait != NOBODY)
            continue;
        clients[i] =
            (struct client){.wait = REQUEST,
                            .fd = fd,
                            .deadline = loop_now() + PATIENCE_MS * MILLI};
        return;
    }
    if (fd >= 0)
        hang_up(fd);
}

/* Gives a waiting client what has come for it. */
static void
look_after(struct client *client, int64_t now) {
    bool late = now >= client->deadline;
    switch (client->wait) {
    case VERDICT:
        if ((int)(told[GUARD_VERDICT] - client->pass) >= 0) {
            char text[STATUS_TEXT];
            int code = status_verdict(text);
            answer(client, code, text);
        } else if (late) {
            answer(client, 4,
                   "pending: the server is busy; it reloads when the present "
                   "call ends (./svr.sh status shows the verdict)");
        }
        break;
    case FIGURES:
        if ((int)(told[GUARD_FIGURES] - client->pass) >= 0)
            answer_status(client, false);
        else if (late)
            answer_status(client, true);
        break;
    default:
        if (late)
            drop(client);
    }
}

/* ---- run/ ------------------------------------------------------------- */

static int bind_control(int dir);

/* Watches run/ for the removal of a file; nothing wakes a server that is left
 * alone. */
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
    char events[4096], reason[WHY_SIZE];
    struct stat socket;
    while (read(removals, events, sizeof events) > 0)
        continue;
    int result = lock_restore(folder, reason);
    if (result < 0)
        svr_err("run/ was removed, and cannot be restored: %s", reason);
    if (result < 0 ||
        (result == 0 && fstatat(folder, "run/control", &socket, 0) == 0))
        return;
    svr_warn("run/ was removed under the server; it is restored");
    close(control);
    if (bind_control(folder) < 0)
        svr_err("run/control: %s", strerror(errno));
    watch_removals();
    duty->restored();
}

/* ---- The thread ------------------------------------------------------- */

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

static void
force_end(void) {
    duty->forced();
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].wait == END)
            answer(&clients[i], 1,
                   "closed by force: it did not end within "
                   "svr.close.force_close_delay");
    _exit(force_status);
}

/* Looks after all that is due; returns when to look again. */
static int64_t
work(void) {
    int64_t now = loop_now(), look = watch_judge(), next = force_at;
    if (now >= next)
        force_end();
    status_publish();
    if (deaf && now + DEAF_MS * MILLI < next)
        next = now + DEAF_MS * MILLI;
    if (look < next)
        next = look;
    for (int i = 0; i < CLIENTS; i++) {
        if (clients[i].wait != NOBODY)
            look_after(&clients[i], now);
        if (clients[i].wait != NOBODY && clients[i].deadline < next)
            next = clients[i].deadline;
    }
    if (reload_wanted && reloads_begun == told[GUARD_VERDICT]) {
        reload_wanted = false;
        reloads_begun++;
        duty->reload();
    }
    return next;
}

static void *
watch(void *unused) {
    static const short wanted[] = {[REQUEST] = POLLIN, [ANSWER] = POLLOUT};
    (void)unused;
    while (!stopping) {
        int64_t next = work(), left = next - loop_now();
        struct pollfd polls[OWN + CLIENTS] = {
            {.fd = signals_fd(), .events = POLLIN},
            {.fd = bell, .events = POLLIN},
            {.fd = deaf ? -1 : control, .events = POLLIN},
            {.fd = removals, .events = POLLIN}};
        nfds_t count =
            OWN; /* poll takes no more than descriptors may be open */
        for (nfds_t i = 0; i < CLIENTS; i++) {
            bool used = clients[i].wait != NOBODY;
            polls[OWN + i].fd = used ? clients[i].fd : -1;
            polls[OWN + i].events = wanted[clients[i].wait];
            count = used ? OWN + 1 + i : count;
        }
        int millis = next == INT64_MAX ? -1
                     : left <= 0       ? 0
                                       : (int)(left / MILLI) + 1;
        uint64_t rung;
        if (poll(polls, count, millis) <= 0)
            continue;
        if (polls[0].revents)
            take_signals();
        if (polls[1].revents)
            (void)!read(bell, &rung, sizeof rung);
        for (int i = 0; i < CLIENTS; i++) {
            if (!polls[OWN + i].revents)
                continue;
            if (clients[i].wait == REQUEST)
                read_request(&clients[i]);
            else if (clients[i].wait == ANSWER)
                send_answer(&clients[i]);
            else
                drop(&clients[i]);
        }
        if (polls[2].revents)
            admit();
        if (polls[3].revents)
            restore_run();
    }
    return NULL;
}

/* Binds the socket, for the owner alone; the path may be of any length. */
static int
bind_control(int dir) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path,
             "/proc/self/fd/%d/run/control", dir);
    unlinkat(dir, "run/control", 0);
    control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (control < 0)
        return -1;
    mode_t mask = umask(0177);
    int result = bind(control, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    return result < 0 ? -1 : listen(control, CLIENTS);
}

int
guard_start(int dir, const struct guard_duty *duties, char reason[WHY_SIZE]) {
    duty = duties;
    folder = dir;
    if (bind_control(dir) < 0)
        return why(reason, "run/control: %s", strerror(errno));
    bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bell < 0)
        return why(reason, "eventfd: %s", strerror(errno));
    removals = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (spare < 0)
        return why(reason, "/dev/null: %s", strerror(errno));
    if (removals >= 0)
        watch_removals();
    status_open(dir, guard_wake);
    int error = thread_start(&thread, watch);
    started = error == 0;
    return error ? why(reason, "thread: %s", strerror(error)) : 0;
}

void
guard_limits(double wait) {
    reload_wait = wait;
}

bool
guard_reloads(void) {
    return reload_wanted || reloads_begun != told[GUARD_VERDICT];
}

double
guard_limit(void) {
    return reload_wait;
}

void
guard_arm(double seconds, int status) {
    force_status = status;
    force_at = loop_now() + (int64_t)(seconds * 1e9);
    guard_wake();
}

void
guard_tell(enum guard_news news) {
    told[news]++;
    guard_wake();
}

void
guard_stop(int code, const char *text) {
    stopping = true;
    if (!started)
        return;
    guard_wake();
    pthread_join(thread, NULL);
    for (int i = 0; i < CLIENTS; i++)
        if (clients[i].wait == END)
            answer(&clients[i], code, text);
        else if (clients[i].wait == VERDICT)
            answer(&clients[i], 1, "rejected: the server has closed");
}
