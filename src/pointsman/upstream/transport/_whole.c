/* A reply that came whole in one read of the socket, as most that are no streams do: read in one pass, where the parser calls
 * Python for each header. Built with the wheel (`hatch_build.py`); where it is not, the parser reads every reply.
 *
 * Laws: whatever is not plain is the parser's, and what is plain is read as the parser reads it (RFC 9112): HTTP/1.1, a status
 * that has a body, names that are tokens, values of visible ASCII and blanks between, one length in digits, no transfer coding,
 * and nothing of the connection but `keep-alive`; not a byte of the body is missing, and none too many. Nothing is read behind
 * the end, and nothing is kept. `tests/upstream/transport/test_whole.py` holds it to the parser.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define FIELDS 128 /* headers, at most */
#define HEAD 16384 /* bytes of a head, at most: what is larger, or too large, the parser tells */
#define NAME 64    /* bytes of a name, at most */
#define DIGITS 15  /* of a length, at most */

static uint8_t token[256]; /* what a name may hold (RFC 9110, section 5.6.2), in lower case; 0: it may not */

static void make_token(void) {
    for (const char *each = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"; *each; each++) token[(uint8_t)*each] = *each;
    for (int letter = 'A'; letter <= 'Z'; letter++) token[letter] = (uint8_t)(letter - 'A' + 'a');
}

static int is(const char *name, Py_ssize_t size, const char *word) {
    return size == (Py_ssize_t)strlen(word) && !memcmp(name, word, size);
}

/* Whether a header says nothing of framing but `length`, which is noted, once; `name` is in lower case. */
static int harmless(const char *name, Py_ssize_t named, const char *value, Py_ssize_t size, int64_t *length) {
    switch (name[0]) {
    case 'c':
        if (is(name, named, "content-length")) {
            if (*length >= 0 || size > DIGITS) return 0;
            for (*length = 0; size; value++, size--) {
                if (*value < '0' || *value > '9') return 0;
                *length = *length * 10 + (*value - '0');
            }
        } else if (is(name, named, "connection"))
            return size == 10 && !strncasecmp(value, "keep-alive", 10);
        return 1;
    case 'p':
        return !is(name, named, "proxy-connection");
    case 't':
        return !is(name, named, "transfer-encoding") && !is(name, named, "trailer");
    case 'u':
        return !is(name, named, "upgrade");
    default:
        return 1;
    }
}

/* The status in a first line that goes to `end`, 0: the parser must see it. */
static int status_of(const char *at, const char *end) {
    if (end - at < 13 || memcmp(at, "HTTP/1.1 ", 9) || at[12] != ' ') return 0;
    if (at[9] < '2' || at[9] > '5' || at[10] < '0' || at[10] > '9' || at[11] < '0' || at[11] > '9') return 0;
    for (const char *each = at + 13; each < end; each++)
        if (*each < ' ' || *each > '~') return 0;
    int status = (at[9] - '0') * 100 + (at[10] - '0') * 10 + (at[11] - '0');
    return status == 204 || status == 304 ? 0 : status;
}

/* The end of the line that begins at `at`: where its CR stands, with LF behind; NULL: there is none. */
static const char *line_end(const char *at, const char *end) {
    const char *found = end - at > 1 ? memchr(at, '\r', end - at - 1) : NULL;
    return found && found[1] == '\n' ? found : NULL;
}

/* A tuple of two, which are taken over; NULL, with an error, where one is. */
static PyObject *pair(PyObject *first, PyObject *second) {
    PyObject *made = first && second ? PyTuple_New(2) : NULL;
    if (made) {
        PyTuple_SET_ITEM(made, 0, first);
        PyTuple_SET_ITEM(made, 1, second);
    } else {
        Py_XDECREF(first);
        Py_XDECREF(second);
    }
    return made;
}

/* The pair of name and value in a line; NULL: the parser must see it, or (with an error) there is no memory. */
static PyObject *field_of(const char *at, const char *end, int64_t *length) {
    char name[NAME];
    Py_ssize_t named = 0;
    while (at + named < end && named < NAME && (name[named] = (char)token[(uint8_t)at[named]])) named++;
    const char *value = at + named + 2;
    if (!named || value >= end || value[-2] != ':' || value[-1] != ' ' || *value == ' ' || end[-1] == ' ') return NULL;
    for (const char *each = value; each < end; each++)
        if (*each < ' ' || *each > '~') return NULL;
    if (!harmless(name, named, value, end - value, length)) return NULL;
    return pair(PyBytes_FromStringAndSize(name, named), PyBytes_FromStringAndSize(value, end - value));
}

static PyObject *read_whole(PyObject *Py_UNUSED(module), PyObject *data) {
    if (!PyBytes_Check(data)) {
        PyErr_SetString(PyExc_TypeError, "read(data: bytes)");
        return NULL;
    }
    const char *at = PyBytes_AS_STRING(data), *end = at + PyBytes_GET_SIZE(data), *stop = line_end(at, end);
    PyObject *fields[FIELDS], *headers = NULL, *found = NULL;
    Py_ssize_t count = 0;
    int64_t length = -1;
    int status = stop ? status_of(at, stop) : 0;
    if (!status) Py_RETURN_NONE;
    for (at = stop + 2; (stop = line_end(at, end)) && stop > at; at = stop + 2) {
        if (count == FIELDS || !(fields[count] = field_of(at, stop, &length))) goto done;
        count++;
    }
    if (!stop || stop - PyBytes_AS_STRING(data) > HEAD || length < 1 || end - (stop + 2) != length) goto done;
    if (!(headers = PyTuple_New(count))) goto done;
    for (Py_ssize_t place = 0; place < count; place++) PyTuple_SET_ITEM(headers, place, fields[place]);
    count = 0; /* they are the tuple's now */
    found = Py_BuildValue("(iNy#)", status, headers, stop + 2, (Py_ssize_t)length);
done:
    while (count) Py_DECREF(fields[--count]);
    if (found || PyErr_Occurred()) return found;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"read", read_whole, METH_O, "Status, headers and body of the one whole reply that these bytes are."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_whole", "A whole reply in one pass.", 0, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__whole(void) {
    make_token();
    return PyModule_Create(&module);
}
