/* Passing over JSON: what `_scan.c` reads with. Nothing is made of it here, and nothing but the input is read.
 *
 * Laws: what is passed over is what msgspec passes over; false, or GIVEN_UP, at anything else, and where it nests deeper
 * than `DEEPEST`. No byte from `end` on is read.
 */

#include <stdint.h>
#include <string.h>

#define DEEPEST 64

typedef struct {
    const uint8_t *at, *end;
    int left; /* levels that it may still go down */
} Scan;

typedef struct {
    const uint8_t *start;
    Py_ssize_t size;
    int escaped;
} Text;

typedef enum { GIVEN_UP = -1, OVER, FOUND } Step;

/* Whether a byte stands for itself inside a string. */
static int is_plain(uint8_t byte) { return byte >= 0x20 && byte != '"' && byte != '\\'; }

/* Pass over bytes that stand for themselves, eight at a time: one below 0x20, or that an exclusive or makes 0, borrows. */
static const uint8_t *plain_run(const uint8_t *at, const uint8_t *end) {
    const uint64_t ones = 0x0101010101010101u;
    for (uint64_t eight; end - at >= 8; at += 8) {
        memcpy(&eight, at, 8);
        uint64_t borrows = (eight - ones * 0x20) | ((eight ^ ones * '"') - ones) | ((eight ^ ones * '\\') - ones);
        borrows &= ~eight & ones * 0x80;
        if (!borrows) continue;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ /* the lowest is the first, and no other's borrow */
        return at + (__builtin_ctzll(borrows) >> 3);
#else
        break;
#endif
    }
    while (at < end && is_plain(*at)) at++;
    return at;
}

static int is_digit(uint8_t byte) { return byte >= '0' && byte <= '9'; }

/* The next byte that is no blank, 0 at the end. */
static uint8_t peek(Scan *scan) {
    const uint8_t *at = scan->at;
    while (at < scan->end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) at++;
    scan->at = at;
    return scan->at < scan->end ? *scan->at : 0;
}

static int takes(Scan *scan, uint8_t byte) {
    if (peek(scan) != byte) return 0;
    scan->at++;
    return 1;
}

static int word(Scan *scan, const char *word, Py_ssize_t size) {
    if (scan->end - scan->at < size || memcmp(scan->at, word, (size_t)size) != 0) return 0;
    scan->at += size;
    return 1;
}

static int null(Scan *scan) { return peek(scan) == 'n' && word(scan, "null", 4); }

/* Four hexadecimal digits; -1: there are none. */
static int32_t unit(Scan *scan) {
    int32_t found = 0;
    if (scan->end - scan->at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        uint8_t byte = *scan->at++, small = byte | 0x20;
        if (is_digit(byte)) found = found << 4 | (byte - '0');
        else if (small >= 'a' && small <= 'f') found = found << 4 | (small - 'a' + 10);
        else return -1;
    }
    return found;
}

/* What stands behind a backslash: half a surrogate pair is an error. */
static int escape(Scan *scan) {
    if (scan->at == scan->end) return 0;
    uint8_t kind = *scan->at++;
    if (kind != 'u') return kind && strchr("\"\\/bfnrt", kind) != NULL;
    int32_t high = unit(scan);
    if (high < 0xD800 || high > 0xDFFF) return high >= 0;
    if (high > 0xDBFF || !word(scan, "\\u", 2)) return 0;
    int32_t low = unit(scan);
    return low >= 0xDC00 && low <= 0xDFFF;
}

/* A string, between its quotes. Whether it is UTF-8 is told where it is decoded. */
static int string(Scan *scan, Text *text) {
    if (!takes(scan, '"')) return 0;
    text->start = scan->at;
    text->escaped = 0;
    for (;;) {
        scan->at = plain_run(scan->at, scan->end);
        if (scan->at == scan->end) return 0;
        uint8_t byte = *scan->at++;
        if (byte == '"') break;
        if (byte != '\\' || !escape(scan)) return 0;
        text->escaped = 1;
    }
    text->size = scan->at - 1 - text->start;
    return 1;
}

static Py_ssize_t digits(Scan *scan) {
    const uint8_t *start = scan->at;
    while (scan->at < scan->end && is_digit(*scan->at)) scan->at++;
    return scan->at - start;
}

static int number(Scan *scan) {
    word(scan, "-", 1);
    int zero = scan->at < scan->end && *scan->at == '0';
    Py_ssize_t size = digits(scan);
    if (!size || (zero && size > 1)) return 0;
    if (word(scan, ".", 1) && !digits(scan)) return 0;
    if (word(scan, "e", 1) || word(scan, "E", 1)) {
        if (!word(scan, "+", 1)) word(scan, "-", 1);
        return digits(scan) > 0;
    }
    return 1;
}

/* Go into an object or a list. */
static int enters(Scan *scan, uint8_t bracket) { return scan->left-- > 0 && takes(scan, bracket); }

/* The next name of an object, up to its value; `first`: none was asked for yet. OVER: the object has ended. */
static Step next_name(Scan *scan, int *first, Text *name) {
    int begins = *first;
    *first = 0;
    if (takes(scan, '}')) {
        scan->left++;
        return OVER;
    }
    if (!begins && !takes(scan, ',')) return GIVEN_UP;
    return string(scan, name) && takes(scan, ':') ? FOUND : GIVEN_UP;
}

/* The same for the next item of a list. */
static Step next_item(Scan *scan, int *first) {
    int begins = *first;
    *first = 0;
    if (takes(scan, ']')) {
        scan->left++;
        return OVER;
    }
    return begins || takes(scan, ',') ? FOUND : GIVEN_UP;
}

/* Pass over any value. */
static int skip(Scan *scan) {
    Text text;
    Step step;
    int first = 1;
    switch (peek(scan)) {
    case '"': return string(scan, &text);
    case 'n': return word(scan, "null", 4);
    case 't': return word(scan, "true", 4);
    case 'f': return word(scan, "false", 5);
    case '{':
        if (!enters(scan, '{')) return 0;
        while ((step = next_name(scan, &first, &text)) == FOUND)
            if (!skip(scan)) return 0;
        return step == OVER;
    case '[':
        if (!enters(scan, '[')) return 0;
        while ((step = next_item(scan, &first)) == FOUND)
            if (!skip(scan)) return 0;
        return step == OVER;
    default: return number(scan);
    }
}

static int ends(Scan *scan) { return !peek(scan) && scan->at == scan->end; }
