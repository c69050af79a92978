/* Numbers by name, and a row of values found among them; for _fused.c, which says what for. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <math.h>
#include <structmember.h>

#if defined(FLT_EVAL_METHOD) && (FLT_EVAL_METHOD < 0 || FLT_EVAL_METHOD == 2)
#error "plain doubles are needed: River's numbers could not be repeated"
#endif
#if defined(_MSC_VER)
#pragma fp_contract(off)
#elif defined(__clang__)
#pragma STDC FP_CONTRACT OFF
#endif

/* Not known to the compiler, which might make a square root of it: not always the same bits. */
static volatile double half = 0.5;

typedef struct {
    PyObject *name;
    long long count; /* rows that had this number; 0 for a category's column */
    double mean, variance, deviation, weight;
} Slot;

/* One value of the row at hand, and what learning it would make of its slot. */
typedef struct {
    PyObject *name, *category; /* borrowed from the row; category is NULL for a number */
    Py_ssize_t slot;           /* -1: not met before */
    double value, encoded, mean, variance, deviation;
} Cell;

typedef struct {
    PyObject_HEAD
    PyObject *index;   /* name -> place in slots */
    PyObject *columns; /* feature -> category -> column's name, the encoder's own; None: no categories here */
    Slot *slots;
    Cell *cells;
    Py_ssize_t slots_count, slots_room, cells_room;
    Py_ssize_t categories_max;
    double learning_rate, intercept_lr, l2, clip_gradient, clip, weight_pos, weight_neg;
    double intercept, target_rows, target_mean, target_squares, target_ddof;
    long long iterations;
    char logistic, clips, scales_target, dirty, retired;
} ScaledLinear;

/* --- slots ------------------------------------------------------------------------------------------------------ */

/* Place of a name, -1 if unknown, -2 on error. Rows come in the same order mostly, so `guess` is mostly right. */
static Py_ssize_t find(ScaledLinear *self, PyObject *name, Py_ssize_t guess)
{
    if (guess < self->slots_count && self->slots[guess].name == name) return guess;
    PyObject *place = PyDict_GetItemWithError(self->index, name);
    if (place == NULL) return PyErr_Occurred() ? -2 : -1;
    return PyLong_AsSsize_t(place);
}

static Py_ssize_t add(ScaledLinear *self, PyObject *name)
{
    if (self->slots_count == self->slots_room) {
        Py_ssize_t room = 2 * self->slots_room + 16;
        Slot *slots = PyMem_Resize(self->slots, Slot, room);
        if (slots == NULL) { PyErr_NoMemory(); return -2; }
        self->slots = slots;
        self->slots_room = room;
    }
    PyObject *place = PyLong_FromSsize_t(self->slots_count);
    if (place == NULL) return -2;
    int failed = PyDict_SetItem(self->index, name, place);
    Py_DECREF(place);
    if (failed) return -2;
    Slot *slot = &self->slots[self->slots_count];
    memset(slot, 0, sizeof *slot);
    slot->name = Py_NewRef(name);
    return self->slots_count++;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

/* The row's values into cells: numbers from the front, categories from the back. 1, 0 for River's row, -1 on error.
   Keys and values are of exact types, so no code of anybody's runs and the row cannot change meanwhile. */
static int read_row(ScaledLinear *self, PyObject *row, Py_ssize_t *numbers, Py_ssize_t *categories)
{
    if (!PyDict_CheckExact(row)) return 0;
    Py_ssize_t size = PyDict_GET_SIZE(row), at = 0, front = 0, back = 0, guess = 0;
    if (size > self->cells_room) {
        Cell *cells = PyMem_Resize(self->cells, Cell, size);
        if (cells == NULL) { PyErr_NoMemory(); return -1; }
        self->cells = cells;
        self->cells_room = size;
    }
    PyObject *name, *value;
    while (PyDict_Next(row, &at, &name, &value)) {
        if (!PyUnicode_CheckExact(name)) return 0;
        Cell *cell;
        if (PyUnicode_CheckExact(value)) {
            if (self->columns == Py_None) return 0;
            cell = &self->cells[size - ++back];
            cell->name = name;
            cell->category = value;
            continue;
        }
        double number;
        if (PyFloat_CheckExact(value)) {
            number = PyFloat_AS_DOUBLE(value);
        } else if (PyLong_CheckExact(value) || PyBool_Check(value)) {
            number = PyLong_AsDouble(value);
            if (number == -1.0 && PyErr_Occurred()) { PyErr_Clear(); return 0; } /* beyond a double: River says so */
        } else {
            return 0;
        }
        cell = &self->cells[front++];
        cell->name = name;
        cell->category = NULL;
        cell->value = number;
        cell->slot = find(self, name, guess);
        if (cell->slot == -2) return -1;
        if (cell->slot >= 0) {
            if (self->slots[cell->slot].count == 0) return 0; /* a number named as a category's column is */
            guess = cell->slot + 1;
        }
    }
    *numbers = front;
    *categories = back;
    return 1;
}

/* New reference to the column of a category, NULL if it has none (or on error). `learning` makes one if it may. */
static PyObject *column_of(ScaledLinear *self, const Cell *cell, int learning)
{
    PyObject *known = PyDict_GetItemWithError(self->columns, cell->name);
    Py_ssize_t count = 0;
    if (known != NULL) {
        if (!PyDict_CheckExact(known)) {
            PyErr_SetString(PyExc_TypeError, "columns must be dicts of dicts");
            return NULL;
        }
        PyObject *column = PyDict_GetItemWithError(known, cell->category);
        if (column != NULL || PyErr_Occurred()) return Py_XNewRef(column);
        count = PyDict_GET_SIZE(known);
    } else if (PyErr_Occurred()) {
        return NULL;
    } else if (learning) {
        PyObject *fresh = PyDict_New();
        if (fresh == NULL) return NULL;
        int failed = PyDict_SetItem(self->columns, cell->name, fresh);
        Py_DECREF(fresh);
        if (failed) return NULL;
        known = fresh; /* the dict of dicts holds it */
    }
    if (count >= self->categories_max) return PyUnicode_FromFormat("%U*", cell->name);
    if (!learning) return NULL;
    PyObject *column = PyUnicode_FromFormat("%U=%U", cell->name, cell->category);
    if (column != NULL && PyDict_SetItem(known, cell->category, column)) Py_CLEAR(column);
    return column;
}

static double clipped(const ScaledLinear *self, double value)
{
    if (!self->clips || (-self->clip <= value && value <= self->clip)) return value;
    return value < -self->clip ? -self->clip : self->clip;
}
