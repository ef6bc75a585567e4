/* What the hot path reads of JSON, in one pass over it: a plain Chat request, the counts of a Chat reply, frames of a Chat
 * stream that are content and nothing else, and where a body names its model. Built with the wheel (`hatch_build.py`).
 *
 * Strategy: what is plain is nearly everything, and read here; at anything else a function gives up (None, or fewer frames),
 * and the Python beside it, which knows every form and every error, reads the same bytes again: `openai_chat/request`,
 * `openai_chat/count`, `wire/sse`, `wire/edits`.
 *
 * Laws: what is taken is what msgspec would take, and says the same; what it would refuse is given up. No byte behind the
 * input is read (`_json.h`). `tests/wire/test_scan.py` holds both to the same answers.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "_json.h"

#define DIGITS 12 /* of a count, at most: below what `openai_chat/count` takes for none */

static Scan over(PyObject *bytes) {
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(bytes);
    return (Scan){data, data + PyBytes_GET_SIZE(bytes), DEEPEST};
}

/* The next name of an object in which names matter: one that is spelled with escapes is given up. */
static Step known_name(Scan *scan, int *first, Text *name) {
    Step step = next_name(scan, first, name);
    return step == FOUND && name->escaped ? GIVEN_UP : step;
}

static int is(const Text *name, const char *word) {
    return (size_t)name->size == strlen(word) && memcmp(name->start, word, (size_t)name->size) == 0;
}

/* Which of several names it is, -1 for none of them. */
static int which(const Text *name, const char *const *names) {
    for (int place = 0; names[place]; place++)
        if (is(name, names[place])) return place;
    return -1;
}

/* Whether a name stands in its object for the first time; a second one is given up. */
static int once(unsigned *seen, int place) {
    unsigned bit = 1u << place;
    if (*seen & bit) return 0;
    *seen |= bit;
    return 1;
}

/* The string as Python has it, NULL without an error where it is none; `unescape` decodes what holds escapes. */
static PyObject *decoded(Scan *scan, PyObject *unescape) {
    Text text;
    if (!string(scan, &text)) return NULL;
    PyObject *found;
    if (text.escaped) {
        PyObject *quoted = PyBytes_FromStringAndSize((const char *)text.start - 1, text.size + 2);
        found = quoted ? PyObject_CallOneArg(unescape, quoted) : NULL;
        Py_XDECREF(quoted);
    } else {
        found = PyUnicode_DecodeUTF8((const char *)text.start, text.size, NULL);
    }
    if (!found) PyErr_Clear();
    return found;
}

/* A count that is not negative, left as it is for null. */
static int counted(Scan *scan, int64_t *count) {
    if (null(scan)) return 1;
    const uint8_t *start = scan->at;
    Py_ssize_t size = digits(scan);
    if (!size || size > DIGITS || (*start == '0' && size > 1)) return 0;
    if (scan->at < scan->end && (*scan->at == '.' || *scan->at == 'e' || *scan->at == 'E')) return 0;
    for (*count = 0; start < scan->at; start++) *count = *count * 10 + (*start - '0');
    return 1;
}

/* ---- A request: `openai_chat/request`. */

/* The names that `shapes.Seen` and `shapes.WireMessage` know: those that are read here, and those that are not. */
enum { MODEL, MESSAGES, STREAM, OPTIONS, LIMIT, OLD_LIMIT, READ };
static const char *const of_request[] = {
    "model", "messages", "stream", "stream_options", "max_completion_tokens", "max_tokens", "tools", "functions",
    "response_format", "n", "user", "metadata", "prompt_cache_key", "service_tier", NULL};
enum { ROLE, CONTENT };
static const char *const of_message[] = {
    "role", "content", "tool_calls", "tool_call_id", "name", "refusal", "reasoning_content", "reasoning",
    "reasoning_details", "function_call", NULL};

static int flag(Scan *scan, int *found) {
    switch (peek(scan)) {
    case 't': return *found = 1, word(scan, "true", 4);
    case 'f': return word(scan, "false", 5);
    default: return null(scan);
    }
}

static int stream_options(Scan *scan, int *include_usage) {
    Text name;
    Step step;
    unsigned seen = 0;
    int first = 1;
    if (!enters(scan, '{')) return 0;
    while ((step = known_name(scan, &first, &name)) == FOUND)
        if (is(&name, "include_usage") ? !once(&seen, 0) || !flag(scan, include_usage) : !skip(scan)) return 0;
    return step == OVER;
}

static int is_word(PyObject *text, const char *word) { return PyUnicode_CompareWithASCIIString(text, word) == 0; }

/* A turn that is one text and no tool's, as (role, text). */
static PyObject *message(Scan *scan, PyObject *unescape) {
    Text name;
    Step step = GIVEN_UP;
    unsigned seen = 0;
    int first = 1, okay = enters(scan, '{');
    PyObject *said[2] = {NULL, NULL}, *found = NULL;
    while (okay && (step = known_name(scan, &first, &name)) == FOUND) {
        int place = which(&name, of_message);
        if (place < 0) okay = skip(scan);
        else okay = place <= CONTENT && once(&seen, place) && (said[place] = decoded(scan, unescape)) != NULL;
    }
    okay = okay && step == OVER && said[ROLE] && said[CONTENT];
    if (okay && !is_word(said[ROLE], "tool") && !is_word(said[ROLE], "function"))
        found = PyTuple_Pack(2, said[ROLE], said[CONTENT]);
    Py_XDECREF(said[ROLE]);
    Py_XDECREF(said[CONTENT]);
    return found;
}

static PyObject *messages(Scan *scan, PyObject *unescape) {
    Step step;
    int first = 1;
    if (!enters(scan, '[')) return NULL;
    PyObject *found = PyList_New(0);
    while (found && (step = next_item(scan, &first)) == FOUND) {
        PyObject *one = message(scan, unescape);
        if (!one || PyList_Append(found, one) < 0) Py_CLEAR(found);
        Py_XDECREF(one);
    }
    if (found && step != OVER) Py_CLEAR(found);
    return found;
}

static PyObject *request(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 2 || !PyBytes_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "request(body: bytes, unescape: Callable[[bytes], str])");
        return NULL;
    }
    Scan scan = over(args[0]);
    Text name;
    Step step = GIVEN_UP;
    unsigned seen = 0;
    int first = 1, okay = enters(&scan, '{'), stream = 0, include_usage = 0;
    int64_t limits[2] = {-1, -1};
    PyObject *model = NULL, *turns = NULL, *limit = NULL, *found = NULL;
    while (okay && (step = known_name(&scan, &first, &name)) == FOUND) {
        int place = which(&name, of_request);
        if (place < 0) okay = skip(&scan);
        else if (place >= READ || !once(&seen, place)) okay = 0;
        else if (place == MODEL) okay = (model = decoded(&scan, args[1])) != NULL;
        else if (place == MESSAGES) okay = (turns = messages(&scan, args[1])) != NULL;
        else if (place == STREAM) okay = flag(&scan, &stream);
        else if (place == OPTIONS) okay = null(&scan) || stream_options(&scan, &include_usage);
        else okay = counted(&scan, &limits[place - LIMIT]);
    }
    if (okay && step == OVER && ends(&scan) && model && turns && PyList_GET_SIZE(turns)) {
        int64_t most = limits[0] > limits[1] ? limits[0] : limits[1];
        limit = most < 0 ? Py_NewRef(Py_None) : PyLong_FromLongLong(most);
        if (limit)
            found = PyTuple_Pack(5, model, turns, stream ? Py_True : Py_False, include_usage ? Py_True : Py_False, limit);
    } else if (!PyErr_Occurred()) {
        found = Py_NewRef(Py_None);
    }
    Py_XDECREF(model);
    Py_XDECREF(turns);
    Py_XDECREF(limit);
    return found;
}

/* ---- A reply: `openai_chat/count`. */

enum { TAKEN, GIVEN, CACHED, WRITTEN, REASONING, HIT, COUNTS };
static const char *const of_usage[] = {
    "prompt_tokens", "completion_tokens", "prompt_tokens_details", "completion_tokens_details",
    "prompt_cache_hit_tokens", NULL};
static const char *const of_input[] = {"cached_tokens", "cache_write_tokens", NULL};
static const char *const of_output[] = {"reasoning_tokens", NULL};

/* Counts that stand in one object by these names. */
static int details(Scan *scan, const char *const *names, int64_t *counts) {
    Text name;
    Step step;
    unsigned seen = 0;
    int first = 1;
    if (null(scan)) return 1;
    if (!enters(scan, '{')) return 0;
    while ((step = known_name(scan, &first, &name)) == FOUND) {
        int place = which(&name, names);
        if (place < 0 ? !skip(scan) : !once(&seen, place) || !counted(scan, &counts[place])) return 0;
    }
    return step == OVER;
}

static int usage(Scan *scan, int64_t *counts) {
    Text name;
    Step step = GIVEN_UP;
    unsigned seen = 0;
    int first = 1, okay = enters(scan, '{');
    while (okay && (step = known_name(scan, &first, &name)) == FOUND) {
        int place = which(&name, of_usage);
        if (place < 0) okay = skip(scan);
        else if (!once(&seen, place)) okay = 0;
        else if (place == 2) okay = details(scan, of_input, &counts[CACHED]);
        else if (place == 3) okay = details(scan, of_output, &counts[REASONING]);
        else okay = counted(scan, &counts[place == 4 ? HIT : place]);
    }
    return okay && step == OVER;
}

/* How the first choice ended: a string, or None. */
static PyObject *choices(Scan *scan, PyObject *unescape) {
    Text name;
    Step item = GIVEN_UP, step = OVER;
    int first_item = 1, okay = enters(scan, '[');
    PyObject *finish = NULL;
    for (int place = 0; okay && (item = next_item(scan, &first_item)) == FOUND; place++) {
        unsigned seen = 0;
        int first = 1;
        okay = enters(scan, '{');
        while (okay && (step = known_name(scan, &first, &name)) == FOUND) {
            if (!is(&name, "finish_reason")) okay = skip(scan);
            else if (!once(&seen, 0)) okay = 0;
            else if (!null(scan)) {
                PyObject *ended = decoded(scan, unescape);
                okay = ended != NULL;
                if (place) Py_XDECREF(ended);
                else finish = ended;
            }
        }
        okay = okay && step == OVER;
    }
    if (!okay || item != OVER) Py_CLEAR(finish);
    else if (!finish) finish = Py_NewRef(Py_None);
    return finish;
}

static PyObject *numbers(const int64_t *counts) {
    const int64_t told[] = {counts[TAKEN], counts[GIVEN], counts[CACHED] ? counts[CACHED] : counts[HIT], counts[WRITTEN],
                            counts[REASONING]};
    PyObject *found = PyTuple_New(5);
    for (int place = 0; found && place < 5; place++) {
        PyObject *count = PyLong_FromLongLong(told[place]);
        if (count) PyTuple_SET_ITEM(found, place, count);
        else Py_CLEAR(found);
    }
    return found;
}

static PyObject *reply(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 2 || !PyBytes_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "reply(body: bytes, unescape: Callable[[bytes], str])");
        return NULL;
    }
    Scan scan = over(args[0]);
    Text name;
    Step step = GIVEN_UP;
    unsigned seen = 0;
    int first = 1, okay = enters(&scan, '{'), told = 0;
    int64_t counts[COUNTS] = {0};
    PyObject *finish = NULL, *tier = NULL, *tokens = NULL, *found = NULL;
    while (okay && (step = known_name(&scan, &first, &name)) == FOUND) {
        if (is(&name, "choices")) okay = once(&seen, 0) && (finish = choices(&scan, args[1])) != NULL;
        else if (is(&name, "usage")) okay = once(&seen, 1) && (null(&scan) || (told = usage(&scan, counts)));
        else if (is(&name, "service_tier"))
            okay = once(&seen, 2) && (null(&scan) || (tier = decoded(&scan, args[1])) != NULL);
        else okay = skip(&scan);
    }
    if (!okay || step != OVER || !ends(&scan) || !finish) {
        found = Py_NewRef(Py_None);
    } else {
        tokens = told ? numbers(counts) : Py_NewRef(Py_None);
        if (tokens) found = PyTuple_Pack(3, finish, tier ? tier : Py_None, tokens);
    }
    Py_XDECREF(finish);
    Py_XDECREF(tier);
    Py_XDECREF(tokens);
    return found;
}

/* ---- A stream: `sse` and `openai_chat/glimpse`. */

/* A list of objects, in each of which `finish_reason` is null or absent. */
static int go_on(Scan *scan) {
    Text name;
    Step item, step;
    int first_item = 1;
    if (null(scan)) return 1;
    if (!enters(scan, '[')) return 0;
    while ((item = next_item(scan, &first_item)) == FOUND) {
        int first = 1;
        if (!enters(scan, '{')) return 0;
        while ((step = known_name(scan, &first, &name)) == FOUND)
            if (is(&name, "finish_reason") ? !null(scan) : !skip(scan)) return 0;
        if (step != OVER) return 0;
    }
    return item == OVER;
}

/* Whether a line's data is a chunk that says no more than content. */
static int is_content(const uint8_t *start, const uint8_t *end) {
    Scan scan = {start, end, DEEPEST};
    Text name;
    Step step;
    int first = 1;
    if (!enters(&scan, '{')) return 0;
    while ((step = known_name(&scan, &first, &name)) == FOUND) {
        if (is(&name, "choices") ? !go_on(&scan) : is(&name, "usage") || is(&name, "error") ? !null(&scan) : !skip(&scan))
            return 0;
    }
    return step == OVER && ends(&scan);
}

static PyObject *plain(PyObject *Py_UNUSED(module), PyObject *chunk) {
    if (!PyBytes_Check(chunk)) {
        PyErr_SetString(PyExc_TypeError, "plain(chunk: bytes)");
        return NULL;
    }
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(chunk), *end = data + PyBytes_GET_SIZE(chunk);
    const uint8_t *at = data, *whole = data, *stop;
    if (memchr(data, '\r', (size_t)(end - data))) return PyLong_FromLong(0);
    for (; at < end && (stop = memchr(at, '\n', (size_t)(end - at))); at = stop + 1) {
        if (stop == at) {
            if (at > whole) whole = at + 1; /* no second blank line */
        } else if (stop - at >= 6 && memcmp(at, "data: ", 6) == 0) {
            if (!is_content(at + 6, stop)) break;
        } else if (stop - at < 7 || memcmp(at, "event: ", 7) != 0) {
            break;
        }
    }
    return PyLong_FromSsize_t(whole - data);
}

/* ---- An edit: `edits`. */

static int is_space(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

static const uint8_t *spaces(const uint8_t *at, const uint8_t *end) {
    while (at < end && is_space(*at)) at++;
    return at;
}

static const uint8_t *find(const uint8_t *at, const uint8_t *end, const char *word, Py_ssize_t size) {
    while (end - at >= size && (at = memchr(at, *word, (size_t)(end - at - size + 1)))) {
        if (memcmp(at, word, (size_t)size) == 0) return at;
        at++;
    }
    return NULL;
}

static PyObject *model_span(PyObject *Py_UNUSED(module), PyObject *body) {
    if (!PyBytes_Check(body)) {
        PyErr_SetString(PyExc_TypeError, "model_span(body: bytes)");
        return NULL;
    }
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(body), *end = data + PyBytes_GET_SIZE(body);
    const uint8_t *name = find(data, end, "\"model\"", 7), *start, *at;
    if (!name || find(name + 1, end, "\"model\"", 7) || find(data, end, "\\u00", 4)) Py_RETURN_NONE;
    at = spaces(name + 7, end);
    if (at == end || *at != ':') Py_RETURN_NONE;
    start = at = spaces(at + 1, end);
    if (at == end || *at != '"') Py_RETURN_NONE;
    for (at++; at < end && *at != '"'; at++)
        if (*at == '\\' && (++at == end || *at == '\n')) Py_RETURN_NONE;
    return at < end ? Py_BuildValue("(nn)", (Py_ssize_t)(start - data), (Py_ssize_t)(at + 1 - data)) : Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"request", (PyCFunction)(void (*)(void))request, METH_FASTCALL, "What a plain Chat request asks for."},
    {"reply", (PyCFunction)(void (*)(void))reply, METH_FASTCALL, "How a Chat reply ended, and what it took."},
    {"plain", plain, METH_O, "How many bytes of a Chat stream are frames of nothing but content."},
    {"model_span", model_span, METH_O, "Where a body names its model, if in one place."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_scan", "One pass over JSON.", 0, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__scan(void) { return PyModule_Create(&module); }
