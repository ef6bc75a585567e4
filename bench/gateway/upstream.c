/* A fast upstream, so that a benchmark measures the proxy in front of it and not the model. It answers as OpenAI Chat
 * Completions does, or, at a path that ends in /messages, as Anthropic Messages does.
 *
 * One thread, epoll, answers made once at start. A POST whose body holds "stream":true is answered with 50 content events and
 * what the dialect has around them: in one write, or, where the body holds pace=N, one content event every N milliseconds.
 * Any other POST is answered with one small completion, any GET with an empty list.
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

enum { CONNECTIONS = 16384, REQUEST_BYTES = 1 << 18, STEPS = 50 };

struct connection {
    char *request;      /* what has arrived of the next request */
    size_t arrived;
    int next_step;      /* of a paced stream under way; -1: none */
    const struct dialect *dialect;
    int pace_ms;
    double due_ms;
};

struct text {
    char bytes[2048];
    size_t length;
};

/* A step is one content event; the first and the last step hold what stands before and after all content, too. */
struct dialect {
    struct text whole, steps[STEPS];
    char burst[64 * 1024];
    size_t burst_length;
};

static struct connection connections[CONNECTIONS];
static int paced[CONNECTIONS], paced_count;
static struct text list, stream_head;
static struct dialect openai, anthropic;

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

/* Add an event, as a chunk of its own, to a step. */
static void add_event(struct text *step, const char *name, const char *data) {
    char framed[1024];
    int length = *name ? sprintf(framed, "event: %s\ndata: %s\n\n", name, data) : sprintf(framed, "data: %s\n\n", data);
    step->length += sprintf(step->bytes + step->length, "%x\r\n%s\r\n", length, framed);
}

static void make_openai(void) {
    char data[800];
    json_reply(&openai.whole,
        "{\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion\",\"created\":1741569952,"
        "\"model\":\"fast\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"A signal box at the "
        "junction sets the points, and every train reaches its line without knowing who set them.\",\"refusal\":null,"
        "\"annotations\":[]},\"logprobs\":null,\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":19,"
        "\"completion_tokens\":10,\"total_tokens\":29,\"prompt_tokens_details\":{\"cached_tokens\":0,\"audio_tokens\":0},"
        "\"completion_tokens_details\":{\"reasoning_tokens\":0,\"audio_tokens\":0}},"
        "\"service_tier\":\"default\",\"system_fingerprint\":\"fp_bench\"}");
    for (int i = 0; i < STEPS; i++) {
        sprintf(data,
            "{\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
            "\"model\":\"fast\",\"system_fingerprint\":\"fp_bench\",\"choices\":[{\"index\":0,\"delta\":{%s\"content\":"
            "\" word%d\"},\"logprobs\":null,\"finish_reason\":%s}]}",
            i == 0 ? "\"role\":\"assistant\"," : "", i, i == STEPS - 1 ? "\"stop\"" : "null");
        add_event(&openai.steps[i], "", data);
    }
    add_event(&openai.steps[STEPS - 1], "",
        "{\"id\":\"chatcmpl-bench0000000000000000000000\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,"
        "\"model\":\"fast\",\"choices\":[],\"usage\":{\"prompt_tokens\":19,\"completion_tokens\":50,\"total_tokens\":69}}");
    add_event(&openai.steps[STEPS - 1], "", "[DONE]");
}

static void make_anthropic(void) {
    char data[800];
    struct text *first = &anthropic.steps[0], *last = &anthropic.steps[STEPS - 1];
    json_reply(&anthropic.whole,
        "{\"id\":\"msg_bench000000000000000000\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"fast\",\"content\":"
        "[{\"type\":\"text\",\"text\":\"A signal box at the junction sets the points, and every train reaches its line "
        "without knowing who set them.\"}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null,\"usage\":{\"input_tokens\":19,"
        "\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":10,\"service_tier\":\"standard\"}}");
    add_event(first, "message_start",
        "{\"type\":\"message_start\",\"message\":{\"id\":\"msg_bench000000000000000000\",\"type\":\"message\",\"role\":"
        "\"assistant\",\"model\":\"fast\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":"
        "{\"input_tokens\":19,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,\"output_tokens\":1,"
        "\"service_tier\":\"standard\"}}}");
    add_event(first, "content_block_start",
        "{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}");
    add_event(first, "ping", "{\"type\":\"ping\"}");
    for (int i = 0; i < STEPS; i++) {
        sprintf(data,
            "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\" word%d\"}}", i);
        add_event(&anthropic.steps[i], "content_block_delta", data);
    }
    add_event(last, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}");
    add_event(last, "message_delta",
        "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},"
        "\"usage\":{\"output_tokens\":50}}");
    add_event(last, "message_stop", "{\"type\":\"message_stop\"}");
}

/* End the last step, and put the head and all steps into one burst. */
static void finish(struct dialect *dialect) {
    struct text *last = &dialect->steps[STEPS - 1];
    last->length += sprintf(last->bytes + last->length, "0\r\n\r\n");
    memcpy(dialect->burst, stream_head.bytes, dialect->burst_length = stream_head.length);
    for (int i = 0; i < STEPS; i++) {
        memcpy(dialect->burst + dialect->burst_length, dialect->steps[i].bytes, dialect->steps[i].length);
        dialect->burst_length += dialect->steps[i].length;
    }
}

static void make_answers(void) {
    json_reply(&list, "{\"object\":\"list\",\"data\":[]}");
    stream_head.length = sprintf(stream_head.bytes,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n"
        "Cache-Control: no-cache\r\nx-request-id: req_bench\r\n\r\n");
    make_openai();
    make_anthropic();
    finish(&openai);
    finish(&anthropic);
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
    connections[fd].next_step = -1;
}

static void answer(int fd, const char *head, const char *body) {
    struct connection *connection = &connections[fd];
    const char *pace = strstr(body, "pace=");
    const struct dialect *dialect = strstr(head, "/messages HTTP/1.") ? &anthropic : &openai;
    if (strncmp(head, "POST", 4) != 0) {
        send_all(fd, list.bytes, list.length);
    } else if (!strstr(body, "\"stream\":true") && !strstr(body, "\"stream\": true")) {
        send_all(fd, dialect->whole.bytes, dialect->whole.length);
    } else if (!pace) {
        send_all(fd, dialect->burst, dialect->burst_length);
    } else {
        connection->pace_ms = atoi(pace + 5);
        connection->next_step = 0;
        connection->dialect = dialect;
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

static void send_due_steps(void) {
    double now = now_ms();
    for (int i = paced_count - 1; i >= 0; i--) {
        int fd = paced[i];
        struct connection *connection = &connections[fd];
        while (connection->next_step >= 0 && connection->due_ms <= now) {
            const struct text *step = &connection->dialect->steps[connection->next_step++];
            send_all(fd, step->bytes, step->length);
            connection->due_ms += connection->pace_ms;
            if (connection->next_step == STEPS)
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
        connection->next_step = -1;
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
        send_due_steps();
    }
}
