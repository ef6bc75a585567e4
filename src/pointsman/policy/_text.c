/* What `policy/features` and `policy/sketch` do with the bytes of one text, in one pass each: the same bytes at a tenth of
 * the CPU. Built with the wheel (`hatch_build.py`); where it is not, the array operations beside it do the same.
 *
 * Laws: tables come from the Python that these functions stand for, so that nothing is said twice; a text is only read;
 * memory is a fixed amount on the stack. `tests/policy/test_sketch.py` and `test_features.py` hold both to the same bytes.
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
    if (n != 5 || !PyBytes_Check(args[0]) || !PyBytes_Check(args[2])) {
        PyErr_SetString(PyExc_TypeError, "shares(data: bytes, size: int, class_of: bytes, kinds: int, capitals: int)");
        return NULL;
    }
    Py_ssize_t size = PyLong_AsSsize_t(args[1]), kinds = PyLong_AsSsize_t(args[3]), capitals = PyLong_AsSsize_t(args[4]);
    if (PyErr_Occurred()) return NULL;
    if (size < 1 || PyBytes_GET_SIZE(args[2]) != 256 || kinds < 1 || kinds > KINDS || capitals < 0 || capitals + 1 >= kinds) {
        PyErr_SetString(PyExc_ValueError, "a size, a number of classes, or the table of classes is none");
        return NULL;
    }
    const uint8_t *data = (const uint8_t *)PyBytes_AS_STRING(args[0]), *class_of = (const uint8_t *)PyBytes_AS_STRING(args[2]);
    int64_t counts[256] = {0};
    for (Py_ssize_t at = 0, end = PyBytes_GET_SIZE(args[0]); at < end; at++) counts[class_of[data[at]]]++;
    PyObject *told = PyTuple_New(kinds + 1);
    if (!told) return NULL;
    for (Py_ssize_t kind = 0; kind < kinds; kind++) {
        PyObject *count = PyLong_FromLongLong(counts[kind]);
        if (!count) goto failed;
        PyTuple_SET_ITEM(told, kind + 1, count);
    }
    if (counts[capitals] > counts[capitals + 1]) {
        int64_t fewer = counts[capitals + 1];
        counts[capitals + 1] = counts[capitals];
        counts[capitals] = fewer;
    }
    PyObject *found = PyBytes_FromStringAndSize(NULL, kinds);
    if (!found) goto failed;
    PyTuple_SET_ITEM(told, 0, found);
    for (Py_ssize_t kind = 0; kind < kinds; kind++)
        PyBytes_AS_STRING(found)[kind] = (char)(uint8_t)rint(sqrt((double)counts[kind] * (255.0 * 255.0 / (double)size)));
    return told;
failed:
    Py_DECREF(told);
    return NULL;
}

static PyMethodDef methods[] = {
    {"sketch", (PyCFunction)(void (*)(void))sketch, METH_FASTCALL, "The signed sketch of a text's words."},
    {"shares", (PyCFunction)(void (*)(void))shares, METH_FASTCALL, "Roots of the shares of classes, and their counts."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_text", "One pass over the bytes of a text.", 0, methods,
                                    NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__text(void) {
    make_crc_table();
    return PyModule_Create(&module);
}
