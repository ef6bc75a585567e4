/* What `policy/features`, `policy/sketch` and `policy/manners` do with the bytes of one text, in one pass each: the same at a
 * tenth of the CPU. Built with the wheel (`hatch_build.py`); where it is not, the Python beside it does the same.
 *
 * Laws: tables come from the Python that these functions stand for, so that nothing is said twice; a text is only read;
 * memory is a fixed amount on the stack. `tests/policy/test_sketch.py`, `test_features.py` and `test_manners.py` hold both to
 * the same results.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#define WIDEST 2048 /* entries of a sketch */
#define MOST 127    /* what is counted in one place */
#define KINDS 64    /* classes of characters, at most */

static uint32_t crc_table[256];

static void make_crc_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t left = byte;
        for (int bit = 0; bit < 8; bit++) left = left & 1 ? left >> 1 ^ 0xEDB88320u : left >> 1;
        crc_table[byte] = left;
    }
}

static int goes_on(uint8_t byte) { return byte >= 0x80 && byte <= 0xBF; }

/* How far a letter, digit or small character of a word reaches from `at`; 0: there is none. */
static Py_ssize_t letter(const uint8_t *data, Py_ssize_t size, Py_ssize_t at, const uint8_t *letters) {
    uint8_t byte = letters[data[at]];
    if (byte < 0x80) return byte != ' ';
    if (byte < 0xC3 || byte > 0xE1) return 0;
    Py_ssize_t end = at + 1;
    while (end < size && goes_on(data[end])) end++;
    return end > at + 1 ? end - at : 0;
}

/* The end of the word that begins at `at`; `at` itself: none begins there. A character from 0xE2 on is a word alone. */
static Py_ssize_t word_end(const uint8_t *data, Py_ssize_t size, Py_ssize_t at, const uint8_t *letters) {
    Py_ssize_t end = at, step;
    if (data[at] >= 0xE2) {
        for (end = at + 1; end < size && goes_on(data[end]);) end++;
        return end > at + 1 ? end : at;
    }
    while (end < size && (step = letter(data, size, end, letters))) end += step;
    return end;
}

static void add(int32_t *counts, uint64_t hash, uint64_t width, int32_t weight) {
    uint64_t cell = ((hash * 0xD6E8FEB86659FD93u >> 33) * (2 * width)) >> 31;
    if (cell >= width) counts[cell - width] -= weight;
    else counts[cell] += weight;
}

static PyObject *sketch(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 4 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[2]) || !PyBytes_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "sketch(data: bytes, width: int, letters: bytes, entries: bytes)");
        return NULL;
    }
    Py_ssize_t width = PyLong_AsSsize_t(args[1]), size = PyBytes_GET_SIZE(args[0]), at = 0, words = 0;
    if (width == -1 && PyErr_Occurred()) return NULL;
    if (width < 2 || width > WIDEST || width % 2 || PyBytes_GET_SIZE(args[2]) != 256 ||
        PyBytes_GET_SIZE(args[3]) != (MOST + 1) * (2 * MOST + 1)) {
        PyErr_SetString(PyExc_ValueError, "the width is no even number up to 2048, or a table has another size");
        return NULL;
    }
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(args[0]), *letters = (const uint8_t *)PyBytes_AS_STRING(args[2]);
    int32_t counts[WIDEST];
    memset(counts, 0, (size_t)width * sizeof *counts);
    uint64_t before = 0;
    while (at < size) {
        Py_ssize_t end = word_end(data, size, at, letters);
        if (end == at) {
            at++;
            continue;
        }
        uint32_t crc = 0xFFFFFFFFu;
        for (; at < end; at++) crc = crc_table[(crc ^ letters[data[at]]) & 255] ^ crc >> 8;
        uint64_t hash = crc ^ 0xFFFFFFFFu;
        add(counts, hash, (uint64_t)width, 2);
        if (words++) add(counts, before * 3 ^ hash, (uint64_t)width, 1);
        before = hash;
    }
    int32_t top = 0;
    for (Py_ssize_t place = 0; place < width; place++) {
        int32_t count = counts[place] < 0 ? -counts[place] : counts[place];
        if (count > top) top = count;
    }
    if (top > MOST) {
        top = MOST;
        for (Py_ssize_t place = 0; place < width; place++)
            counts[place] = counts[place] > MOST ? MOST : counts[place] < -MOST ? -MOST : counts[place];
    }
    PyObject *found = PyBytes_FromStringAndSize(NULL, width / 2);
    if (!found) return NULL;
    uint8_t *out = (uint8_t *)PyBytes_AS_STRING(found);
    const uint8_t *entries = (const uint8_t *)PyBytes_AS_STRING(args[3]) + top * (2 * MOST + 1) + MOST;
    for (Py_ssize_t place = 0; place < width / 2; place++)
        out[place] = (uint8_t)(entries[counts[place]] << 4 | entries[counts[place + width / 2]]);
    return found;
}

static PyObject *shares(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 7 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "shares(data: bytes, size: int, class_of: bytes, kinds, capitals, lines, wide: int)");
        return NULL;
    }
    Py_ssize_t size = PyLong_AsSsize_t(args[1]), kinds = PyLong_AsSsize_t(args[3]), capitals = PyLong_AsSsize_t(args[4]);
    Py_ssize_t lines = PyLong_AsSsize_t(args[5]), wide = PyLong_AsSsize_t(args[6]);
    if (PyErr_Occurred()) return NULL;
    if (size < 1 || PyBytes_GET_SIZE(args[2]) != 256 || kinds < 1 || kinds > KINDS || capitals < 0 || capitals + 1 >= kinds ||
        lines < 0 || lines >= kinds || wide < 0 || wide >= kinds) {
        PyErr_SetString(PyExc_ValueError, "a size, a number of classes, a class, or the table of classes is none");
        return NULL;
    }
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(args[0]), *class_of = (const uint8_t *)PyBytes_AS_STRING(args[2]);
    int64_t counts[256] = {0};
    for (Py_ssize_t at = 0, end = PyBytes_GET_SIZE(args[0]); at < end; at++) counts[class_of[data[at]]]++;
    PyObject *told = Py_BuildValue("(NLL)", PyBytes_FromStringAndSize(NULL, kinds), (long long)counts[lines],
                                   (long long)counts[wide]);
    if (!told) return NULL;
    if (counts[capitals] > counts[capitals + 1]) {
        int64_t fewer = counts[capitals + 1];
        counts[capitals + 1] = counts[capitals];
        counts[capitals] = fewer;
    }
    char *found = PyBytes_AS_STRING(PyTuple_GET_ITEM(told, 0));
    for (Py_ssize_t kind = 0; kind < kinds; kind++)
        found[kind] = (char)(uint8_t)rint(sqrt((double)counts[kind] * (255.0 * 255.0 / (double)size)));
    return told;
}

static PyObject *levels(PyObject *Py_UNUSED(module), PyObject *numbers) {
    if (!PyTuple_Check(numbers)) {
        PyErr_SetString(PyExc_TypeError, "levels(numbers: tuple[float, ...])");
        return NULL;
    }
    Py_ssize_t size = PyTuple_GET_SIZE(numbers);
    PyObject *found = PyBytes_FromStringAndSize(NULL, size);
    if (!found) return NULL;
    for (Py_ssize_t place = 0; place < size; place++) {
        double number = PyFloat_AsDouble(PyTuple_GET_ITEM(numbers, place));
        if (!(number >= 0)) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a number below zero, or none, has no level");
            Py_DECREF(found);
            return NULL;
        }
        PyBytes_AS_STRING(found)[place] = (char)(uint8_t)rint(255.0 * (number < 1.0 ? number : 1.0));
    }
    return found;
}

/* What `policy/manners` knows. `kinds` says of each byte what it is: */
#define BLANK 1
#define STOP 2 /* ends a sentence that begins a text */
#define END 4  /* ends one that ends it */
#define LETTER 8

struct manners {
    const uint8_t *kinds;
    PyObject *ordinary, *signs; /* frozensets of words */
    double known;
};

/* Whether a word, in small letters, is in a set; -1 with an exception. */
static int among(PyObject *words, const uint8_t *word, Py_ssize_t size) {
    PyObject *small = PyUnicode_New(size, 127);
    if (!small) return -1;
    for (Py_ssize_t at = 0; at < size; at++) PyUnicode_1BYTE_DATA(small)[at] = word[at] | 0x20;
    int found = PySet_Contains(words, small);
    Py_DECREF(small);
    return found;
}

/* Move `from` and `to` to the next word from `to` on; 0: there is none before `end`. */
static int next_word(const uint8_t *data, Py_ssize_t end, const uint8_t *kinds, Py_ssize_t *from, Py_ssize_t *to) {
    for (*from = *to; *from < end && !(kinds[data[*from]] & LETTER);) ++*from;
    for (*to = *from; *to < end && kinds[data[*to]] & LETTER;) ++*to;
    return *to > *from;
}

/* As `manners._polite`; -1 with an exception. */
static int polite(const struct manners *manners, const uint8_t *data, Py_ssize_t size) {
    Py_ssize_t from, to = 0, words = 0, own = 0;
    while (next_word(data, size, manners->kinds, &from, &to)) words++;
    for (to = 0; next_word(data, size, manners->kinds, &from, &to);) {
        int found = among(manners->ordinary, data + from, to - from);
        if (found < 0) return -1;
        if (!found && (double)(words - ++own) < manners->known * (double)words) return 0;
    }
    for (to = 0; next_word(data, size, manners->kinds, &from, &to);) {
        int found = among(manners->signs, data + from, to - from);
        if (found) return found;
    }
    return 0;
}

/* Where the text goes on behind a polite sentence at its beginning; `begin`: there is none; -1 with an exception. */
static Py_ssize_t behind_first(const struct manners *manners, const uint8_t *data, Py_ssize_t begin, Py_ssize_t end) {
    const uint8_t *kinds = manners->kinds;
    Py_ssize_t from = begin, to;
    while (from < end && kinds[data[from]] & BLANK) from++;
    for (to = from; to < end && !(kinds[data[to]] & STOP);) to++;
    if (to == end) /* no stop within reach: the last blank is one */
        for (to--; to > from && !(kinds[data[to]] & BLANK);) to--;
    if (to <= from) return begin;
    int found = polite(manners, data + from, to - from);
    if (found <= 0) return found ? -1 : begin;
    while (to < end && kinds[data[to]] & (STOP | BLANK)) to++;
    return to;
}

/* Where a polite sentence at the end of a text begins; `end`: there is none; -1 with an exception. */
static Py_ssize_t before_last(const struct manners *manners, const uint8_t *data, Py_ssize_t begin, Py_ssize_t end) {
    const uint8_t *kinds = manners->kinds;
    Py_ssize_t from, to = end;
    while (to > begin && kinds[data[to - 1]] & (END | BLANK)) to--;
    for (from = to; from > begin && !(kinds[data[from - 1]] & END);) from--;
    if (from == begin) return end; /* nothing ends before it */
    int found = polite(manners, data + from, to - from);
    return found < 0 ? -1 : found ? from : end;
}

static PyObject *bare(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t n) {
    if (n != 7 || !PyUnicode_Check(args[0]) || !PyBytes_Check(args[1]) || !PyFrozenSet_Check(args[2]) ||
        !PyFrozenSet_Check(args[3])) {
        PyErr_SetString(PyExc_TypeError, "bare(text: str, kinds: bytes, ordinary, signs: frozenset, known: float, "
                                         "reach, sentences: int)");
        return NULL;
    }
    struct manners manners = {(const uint8_t *)PyBytes_AS_STRING(args[1]), args[2], args[3], PyFloat_AsDouble(args[4])};
    Py_ssize_t reach = PyLong_AsSsize_t(args[5]), sentences = PyLong_AsSsize_t(args[6]);
    if (PyErr_Occurred()) return NULL;
    if (!PyUnicode_IS_ASCII(args[0]) || PyBytes_GET_SIZE(args[1]) != 256 || reach < 0) {
        PyErr_SetString(PyExc_ValueError, "the text is not in ASCII, the table has another size, or the reach is none");
        return NULL;
    }
    const uint8_t *data = PyUnicode_1BYTE_DATA(args[0]);
    Py_ssize_t size = PyUnicode_GET_LENGTH(args[0]), begin = 0, end = size, next;
    for (Py_ssize_t left = sentences; left > 0; left--, begin = next) {
        next = behind_first(&manners, data, begin, end - begin > reach ? begin + reach : end);
        if (next < 0) return NULL;
        if (next == begin) break;
    }
    for (Py_ssize_t left = sentences; left > 0; left--, end = next) {
        next = before_last(&manners, data, end - begin > reach ? end - reach : begin, end);
        if (next < 0) return NULL;
        if (next == end) break;
    }
    Py_ssize_t last = end;
    while (last > begin && manners.kinds[data[last - 1]] & BLANK) last--;
    if (last == begin || (begin == 0 && end == size)) return Py_NewRef(args[0]); /* nothing is left, or all of it */
    return PyUnicode_Substring(args[0], begin, end == size ? end : last);
}

static PyMethodDef methods[] = {
    {"sketch", (PyCFunction)(void (*)(void))sketch, METH_FASTCALL, "The signed sketch of a text's words."},
    {"shares", (PyCFunction)(void (*)(void))shares, METH_FASTCALL, "Roots of the shares of classes, and two counts."},
    {"levels", levels, METH_O, "Numbers from 0 to 1 as bytes."},
    {"bare", (PyCFunction)(void (*)(void))bare, METH_FASTCALL, "A text without what is said around the request."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_text", "One pass over the bytes of a text.", 0, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__text(void) {
    make_crc_table();
    return PyModule_Create(&module);
}
