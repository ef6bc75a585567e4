/* An HTTP/1.1 load generator for one request, sent again and again over kept-alive connections: one thread, epoll.
 *
 * Closed loop: every connection sends its next request when its answer is complete, N requests in all. Open loop (-r): one
 * request is due every 1/RATE seconds for SECONDS, and takes a free connection; latency counts from when it is sent.
 * An answer is an error when the connection breaks, when its status is not 200, or when an event stream ends without its last
 * word (-e; [DONE] by default). Where the body holds NNNNNNNNN, each request has its own number there, from -f on. Prints one line of JSON; times are microseconds, "open" is the largest number of answers that
 * had begun and not ended at one time.
 *
 *     gcc -O2 -o load load.c
 *     ./load -p PORT [-P PATH] [-f FIRST] [-H 'NAME: VALUE']... [-e LASTWORD] -b BODYFILE -c CONNECTIONS (-n REQUESTS | -r RATE -t SECONDS)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, STALLED_US = 30000000 };
enum body { SIZED, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, LAST_LINE };

struct connection {
    int fd;
    bool busy, in_body, streams, closes;
    char head[HEAD_BYTES + 1];
    size_t head_length;
    enum body state;
    long left;              /* bytes left of a sized body or of a chunk */
    int status, events, matched;
    bool blank;             /* the last byte ended a line */
    double sent, first;
};

static const char *last_word = "[DONE]"; /* its first letter stands in it once */
static int last_word_length;
static struct connection *connections;
static int connection_count = 1, poller, port;
static char *request;
static size_t request_length;
static char *number;            /* where the number of a request stands in it, NULL for none */
static long first_number;
static const char digits[] = "NNNNNNNNN";
static double *latencies, *firsts;
static long finished, capacity, sent, errors, events, late, begun, begun_peak;

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e6 + t.tv_nsec / 1e3;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void open_connection(struct connection *connection) {
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(connection->fd, (void *)&address, sizeof address))
        fail("connect");
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(poller, EPOLL_CTL_ADD, connection->fd, &wanted);
    connection->busy = false;
}

static void send_request(struct connection *connection) {
    int fd = connection->fd;
    memset(connection, 0, sizeof *connection);
    connection->fd = fd;
    connection->busy = true;
    connection->sent = now_us();
    if (number) {
        char written[sizeof digits + 16];
        snprintf(written, sizeof written, "%09ld", first_number + sent);
        memcpy(number, written, sizeof digits - 1);
    }
    sent++;
    if (send(fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length) {
        close(fd); /* the server had closed it while it was idle: once more on a new one */
        open_connection(connection);
        connection->busy = true;
        if (send(connection->fd, request, request_length, MSG_NOSIGNAL) != (ssize_t)request_length)
            fail("send");
    }
}

static void finish(struct connection *connection, bool broken) {
    double now = now_us();
    if (finished == capacity) {
        capacity = capacity ? capacity * 2 : 65536;
        latencies = realloc(latencies, capacity * sizeof *latencies);
        firsts = realloc(firsts, capacity * sizeof *firsts);
    }
    latencies[finished] = now - connection->sent;
    firsts[finished++] = (connection->first ? connection->first : now) - connection->sent;
    bool cut = connection->streams && connection->matched != last_word_length;
    errors += broken || connection->status != 200 || cut;
    events += connection->events;
    begun -= connection->first > 0;
    connection->busy = false;
    if (broken || connection->closes) {
        close(connection->fd);
        open_connection(connection);
    }
}

static void read_content(struct connection *connection, const char *bytes, long length) {
    if (length > 0 && !connection->first) {
        connection->first = now_us();
        begun_peak = ++begun > begun_peak ? begun : begun_peak;
    }
    for (long i = 0; connection->streams && i < length; i++) {
        if (connection->matched < last_word_length)
            connection->matched =
                bytes[i] == last_word[connection->matched] ? connection->matched + 1 : bytes[i] == last_word[0];
        if (bytes[i] == '\n')
            connection->events += connection->blank;
        connection->blank = bytes[i] == '\n' && !connection->blank;
    }
}

/* Read body bytes; returns true when the answer is complete. */
static bool read_body(struct connection *connection, const char *bytes, long length) {
    if (connection->state == SIZED) {
        long mine = length < connection->left ? length : connection->left;
        read_content(connection, bytes, mine);
        return (connection->left -= mine) == 0;
    }
    while (length > 0) {
        if (connection->state == CHUNK_DATA) {
            long mine = length < connection->left ? length : connection->left;
            read_content(connection, bytes, mine);
            bytes += mine, length -= mine;
            if ((connection->left -= mine) == 0)
                connection->state = CHUNK_END;
            continue;
        }
        char letter = *bytes++;
        length--;
        if (connection->state == CHUNK_SIZE && letter >= '0' && letter <= '9')
            connection->left = connection->left * 16 + letter - '0';
        else if (connection->state == CHUNK_SIZE && (letter | 32) >= 'a' && (letter | 32) <= 'f')
            connection->left = connection->left * 16 + (letter | 32) - 'a' + 10;
        else if (letter == '\n' && connection->state == LAST_LINE)
            return true;
        else if (letter == '\n' && connection->state == CHUNK_END)
            connection->state = CHUNK_SIZE;
        else if (letter == '\n')
            connection->state = connection->left ? CHUNK_DATA : LAST_LINE;
    }
    return false;
}

/* Read what has arrived; returns true when the answer is complete. */
static bool read_answer(struct connection *connection, const char *bytes, long length) {
    if (connection->in_body)
        return read_body(connection, bytes, length);
    long before = connection->head_length, mine = length < HEAD_BYTES - before ? length : HEAD_BYTES - before;
    memcpy(connection->head + before, bytes, mine);
    connection->head[connection->head_length += mine] = 0;
    char *end = strstr(connection->head, "\r\n\r\n");
    if (!end)
        return false;
    *end = 0;
    char *sized = strcasestr(connection->head, "\ncontent-length:");
    connection->in_body = true;
    connection->status = atoi(connection->head + 9);
    connection->streams = strcasestr(connection->head, "\ncontent-type: text/event-stream") != NULL;
    connection->closes = strcasestr(connection->head, "\nconnection: close") != NULL;
    connection->state = strcasestr(connection->head, "\ntransfer-encoding: chunked") ? CHUNK_SIZE : SIZED;
    connection->left = sized && connection->state == SIZED ? atol(sized + 16) : 0;
    long used = end + 4 - connection->head - before;
    return read_body(connection, bytes + used, length - used);
}

static void read_arguments(int count, char **words, long *requests, double *rate, double *seconds) {
    int option;
    const char *file = NULL, *path = "/v1/chat/completions";
    static char headers[8192];
    while ((option = getopt(count, words, "p:P:H:e:b:c:n:r:t:f:")) > 0)
        switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'P': path = optarg; break;
        case 'H': strcat(strcat(headers, optarg), "\r\n"); break;
        case 'e': last_word = optarg; break;
        case 'b': file = optarg; break;
        case 'c': connection_count = atoi(optarg); break;
        case 'n': *requests = atol(optarg); break;
        case 'r': *rate = atof(optarg); break;
        case 'f': first_number = atol(optarg); break;
        case 't': *seconds = atof(optarg); break;
        default: exit(2);
        }
    FILE *source = file ? fopen(file, "rb") : NULL;
    if (!source)
        fail("the file with the body, -b");
    last_word_length = strlen(last_word);
    static char body[1 << 20];
    size_t length = fread(body, 1, sizeof body, source);
    fclose(source);
    request = malloc(length + strlen(path) + strlen(headers) + 512);
    request_length = sprintf(request,
        "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
        "Authorization: Bearer sk-bench-0000000000000000\r\nAccept: */*\r\nUser-Agent: load/1\r\n%sContent-Length: %zu\r\n\r\n",
        path, port, headers, length);
    memcpy(request + request_length, body, length);
    request_length += length;
    number = memmem(request, request_length, digits, sizeof digits - 1);
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double quantile(double *sorted, double share) {
    return finished ? sorted[(long)((finished - 1) * share)] : 0;
}

static struct connection *free_connection(void) {
    static int next;
    for (int i = 0; i < connection_count; i++) {
        struct connection *connection = &connections[(next + i) % connection_count];
        if (!connection->busy) {
            next = (next + i + 1) % connection_count;
            return connection;
        }
    }
    return NULL;
}

int main(int count, char **words) {
    long requests = 0;
    double rate = 0, seconds = 0;
    prctl(PR_SET_TIMERSLACK, 1);
    read_arguments(count, words, &requests, &rate, &seconds);
    if (rate > 0)
        requests = rate * seconds;
    poller = epoll_create1(0);
    connections = calloc(connection_count, sizeof *connections);
    for (int i = 0; i < connection_count; i++)
        open_connection(&connections[i]);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (rate > 0) {
        long nanoseconds = 1e9 / rate;
        struct timespec each = {nanoseconds / 1000000000, nanoseconds % 1000000000};
        struct epoll_event wanted = {.events = EPOLLIN, .data.ptr = NULL};
        timerfd_settime(timer, 0, &(struct itimerspec){each, each}, NULL);
        epoll_ctl(poller, EPOLL_CTL_ADD, timer, &wanted);
    }
    static char bytes[1 << 20];
    struct epoll_event ready[256];
    double start = now_us(), last = start;
    long due = 0;
    for (int i = 0; rate == 0 && i < connection_count && sent < requests; i++)
        send_request(&connections[i]);
    while (finished < requests) {
        int found = epoll_wait(poller, ready, 256, 1000);
        if (now_us() - last > STALLED_US) {
            errors += requests - finished;
            break;
        }
        for (int i = 0; i < found; i++) {
            struct connection *connection = ready[i].data.ptr;
            uint64_t ticks;
            if (!connection) {
                if (read(timer, &ticks, sizeof ticks) == sizeof ticks)
                    due += ticks;
                continue;
            }
            ssize_t got = recv(connection->fd, bytes, sizeof bytes, 0);
            if (got < 0 && errno == EAGAIN)
                continue;
            if (got <= 0 && !connection->busy) { /* closed while idle */
                close(connection->fd);
                open_connection(connection);
                continue;
            }
            last = now_us();
            if (got > 0 && !read_answer(connection, bytes, got))
                continue;
            finish(connection, got <= 0);
            if (rate == 0 && sent < requests)
                send_request(connection);
        }
        for (struct connection *idle; due > 0 && sent < requests; due--) {
            if (!(idle = free_connection())) {
                late++;
                break;
            }
            send_request(idle);
        }
    }
    double elapsed = (last - start) / 1e6;
    qsort(latencies, finished, sizeof *latencies, by_size);
    qsort(firsts, finished, sizeof *firsts, by_size);
    printf("{\"requests\": %ld, \"seconds\": %.4f, \"p50\": %.1f, \"p99\": %.1f, \"first_p50\": %.1f, \"first_p99\": %.1f, "
           "\"errors\": %ld, \"events\": %ld, \"late\": %ld, \"open\": %ld}\n",
        finished, elapsed, quantile(latencies, .5), quantile(latencies, .99), quantile(firsts, .5), quantile(firsts, .99),
        errors, events, late, begun_peak);
    return 0;
}
