/* A fast upstream in the OpenAI chat dialect, so that a benchmark measures the proxy in front of it and not the model.
 *
 * One thread, epoll, answers made once at start. A POST whose body holds "stream":true is answered with 50 content events,
 * a usage event and [DONE]: in one write, or, where the body holds pace=N, one event every N milliseconds. Any other POST is
 * answered with one small completion, any GET with an empty list.
 *
 *     gcc -O2 -o upstream upstream.c && ./upstream PORT
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 8192, REQUEST_BYTES = 1 << 18, CONTENT_EVENTS = 50, EVENTS = CONTENT_EVENTS + 2 };

struct connection {
    char *request;      /* what has arrived of the next request */
    size_t arrived;
    int next_event;     /* of a paced stream under way; -1: none */
    int pace_ms;
    double due_ms;
};

struct text {
    char bytes[1024];
    size_t length;
};

static struct connection connections[CONNECTIONS];
static int paced[CONNECTIONS], paced_count;
static struct text whole, list, stream_head, events[EVENTS];
static char burst[64 * 1024];
static size_t burst_length;

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}

static void json_reply(struct text *reply, const char *body) {
    reply->length = sprintf(reply->bytes,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\nx-request-id: req_bench\r\n\r\n%s",
        strlen(body), body);
}

static void make_event(struct text *event, const char *data, bool last) {
    char framed[900];
    int length = sprintf(framed, "data: %s\n\n", data);
    event->length = sprintf(event->bytes, "%x\r\n%s\r\n%s", length, framed, last ? "0\r\n\r\n" : "");
}

static void make_answers(void) {
    char data[800];
    json_reply(&list, "{\"object\":\"list\",\"data\":[]}");
    json_reply(&whole,
        "{\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion\",\"created\":1741569952,"
        "\"model\":\"fast\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"A signal box at the "
        "junction sets the points, and every train reaches its line without knowing who set them.\",\"refusal\":null,"
        "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":19,"
        "\"completion_tokens\":10,\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":0}},"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}");
    stream_head.length = sprintf(stream_head.bytes,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
        "Cache-Control: no-cache\r\nx-request-id: req_bench\r\n\r\n");
    for (int i = 0; i < CONTENT_EVENTS; i++) {
        sprintf(data,
            "{\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
            "\"model\":\"fast\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":"
            "\" word%d\"},\"logprobs\":null,\"finish_reason\":%s}]}",
            i == 0 ? "\"role\":\"assistant\"," : "", i, i == CONTENT_EVENTS - 1 ? "\"stop\"" : "null");
        make_event(&events[i], data, false);
    }
    make_event(&events[CONTENT_EVENTS],
        "{\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
        "\"model\":\"fast\",\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":50,\"total_tokens\":69}}", false);
    make_event(&events[CONTENT_EVENTS + 1], "[DONE]", true);
    memcpy(burst, stream_head.bytes, burst_length = stream_head.length);
    for (int i = 0; i < EVENTS; i++) {
        memcpy(burst + burst_length, events[i].bytes, events[i].length);
        burst_length += events[i].length;
    }
}

static void send_all(int fd, const char *bytes, size_t length) {
    while (length > 0) {
        ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return; /* gone: epoll will say so */
        if (sent < 0) {
            struct pollfd room = {.fd = fd, .events = POLLOUT};
            poll(&room, 1, 1000);
            continue;
        }
        bytes += sent;
        length -= sent;
    }
}

static void stop_pacing(int fd) {
    for (int i = 0; i < paced_count; i++)
        if (paced[i] == fd)
            paced[i] = paced[--paced_count];
    connections[fd].next_event = -1;
}

static void answer(int fd, const char *head, const char *body) {
    struct connection *connection = &connections[fd];
    const char *pace = strstr(body, "pace=");
    if (strncmp(head, "POST", 4) != 0) {
        send_all(fd, list.bytes, list.length);
    } else if (!strstr(body, "\"stream\":true") && !strstr(body, "\"stream\": true")) {
        send_all(fd, whole.bytes, whole.length);
    } else if (!pace) {
        send_all(fd, burst, burst_length);
    } else {
        connection->pace_ms = atoi(pace + 5);
        connection->next_event = 0;
        connection->due_ms = now_ms();
        paced[paced_count++] = fd;
        send_all(fd, stream_head.bytes, stream_head.length);
    }
}

/* Answer every whole request that has arrived. Returns false for one without Content-Length, which ends the connection. */
static bool serve(int fd) {
    struct connection *connection = &connections[fd];
    while (connection->arrived > 0) {
        connection->request[connection->arrived] = 0;
        char *end = strstr(connection->request, "\r\n\r\n");
        if (!end)
            return true;
        *end = 0;
        char *length = strcasestr(connection->request, "\ncontent-length:");
        bool has_body = strncmp(connection->request, "POST", 4) == 0;
        if (has_body && !length)
            return false;
        size_t total = (end + 4 - connection->request) + (length ? strtoul(length + 16, NULL, 10) : 0);
        if (connection->arrived < total) {
            *end = '\r';
            return total < REQUEST_BYTES;
        }
        char after = connection->request[total];
        connection->request[total] = 0;
        answer(fd, connection->request, end + 4);
        connection->request[total] = after;
        memmove(connection->request, connection->request + total, connection->arrived -= total);
    }
    return true;
}

static void send_due_events(void) {
    double now = now_ms();
    for (int i = paced_count - 1; i >= 0; i--) {
        int fd = paced[i];
        struct connection *connection = &connections[fd];
        while (connection->next_event >= 0 && connection->due_ms <= now) {
            struct text *event = &events[connection->next_event++];
            send_all(fd, event->bytes, event->length);
            connection->due_ms += connection->pace_ms;
            if (connection->next_event == EVENTS)
                stop_pacing(fd);
        }
    }
}

static void accept_all(int listener, int poller) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= CONNECTIONS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct connection *connection = &connections[fd];
        if (!connection->request)
            connection->request = malloc(REQUEST_BYTES + 1);
        connection->arrived = 0;
        connection->next_event = -1;
        struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wanted);
    }
}

int main(int count, char **words) {
    if (count != 2)
        return fprintf(stderr, "usage: upstream PORT\n"), 2;
    make_answers();
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(atoi(words[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (void *)&address, sizeof address) || listen(listener, 4096))
        return perror("upstream"), 1;
    int poller = epoll_create1(0);
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &wanted);
    for (;;) {
        int found = epoll_wait(poller, ready, 256, paced_count ? 1 : -1);
        for (int i = 0; i < found; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                accept_all(listener, poller);
                continue;
            }
            struct connection *connection = &connections[fd];
            size_t room = REQUEST_BYTES - connection->arrived;
            ssize_t got = recv(fd, connection->request + connection->arrived, room, 0);
            if (got < 0 && errno == EAGAIN)
                continue;
            if (got > 0)
                connection->arrived += got;
            if (got <= 0 || !serve(fd)) {
                stop_pacing(fd);
                close(fd);
            }
        }
        send_due_events();
    }
}
