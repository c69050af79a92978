/* Scaler, one-hot encoder and linear model of one row in one pass: River's arithmetic in River's order.

   The numbers are those of learners/pipelines.py's linear models to the last bit, so nothing here may be made
   cleverer: sums run in the order of the row (numbers, then categories), square roots are pow(v, 0.5) as in Python,
   and the compiler must not contract a multiplication and an addition. A row with other types of values than floats,
   integers, booleans and, where there are categories, strings is left to River: `learn` stops before it and `predict`
   answers None. It is read whole before anything of it is learnt. learners/kernel.py is the other half. */

#include "_fused_rows.h"

/* --- predict ---------------------------------------------------------------------------------------------------- */

static double target_variance(double rows, double squares, double ddof)
{
    return rows > ddof ? squares / (rows - ddof) : 0.0;
}

static PyObject *predict(ScaledLinear *self, PyObject *row)
{
    Py_ssize_t numbers, categories;
    int ours = self->retired ? 0 : read_row(self, row, &numbers, &categories);
    if (ours < 0) return NULL;
    if (!ours) Py_RETURN_NONE;
    double total = 0.0;
    for (Py_ssize_t i = 0; i < numbers; i++) {
        const Cell *cell = &self->cells[i];
        if (cell->slot < 0) continue; /* as weight and value 0 */
        const Slot *slot = &self->slots[cell->slot];
        double scaled = slot->deviation != 0.0 ? (cell->value - slot->mean) / slot->deviation : 0.0;
        total += slot->weight * clipped(self, scaled);
    }
    for (Py_ssize_t i = 1; i <= categories; i++) {
        PyObject *column = column_of(self, &self->cells[PyDict_GET_SIZE(row) - i], 0);
        if (column == NULL) {
            if (PyErr_Occurred()) return NULL;
            continue;
        }
        Py_ssize_t place = find(self, column, 0);
        Py_DECREF(column);
        if (place == -2) return NULL;
        if (place < 0) continue;
        if (self->slots[place].count != 0) Py_RETURN_NONE; /* a column named as a number is */
        total += self->slots[place].weight * 1.0;
    }
    total += self->intercept;
    if (self->logistic) {
        if (total < -30) return PyFloat_FromDouble(0.0);
        if (total > 30) return PyFloat_FromDouble(1.0);
        return PyFloat_FromDouble(1.0 / (1.0 + exp(-total)));
    }
    if (self->scales_target) {
        double variance = target_variance(self->target_rows, self->target_squares, self->target_ddof);
        total = total * pow(variance, half) + self->target_mean;
    }
    return PyFloat_FromDouble(total);
}

/* --- learn ------------------------------------------------------------------------------------------------------ */

/* What the label is to the loss: 1, 0 for River's row. */
static int read_answer(const ScaledLinear *self, PyObject *answer, double *number)
{
    if (self->logistic) {
        *number = answer == Py_True ? 1.0 : -1.0;
        return answer == Py_True || answer == Py_False;
    }
    if (PyFloat_CheckExact(answer)) {
        *number = PyFloat_AS_DOUBLE(answer);
        return 1;
    }
    if (!PyLong_CheckExact(answer)) return 0;
    *number = PyLong_AsDouble(answer);
    if (*number == -1.0 && PyErr_Occurred()) { PyErr_Clear(); return 0; }
    return 1;
}

static double loss_gradient(const ScaledLinear *self, double total, double answer)
{
    double gradient;
    if (self->logistic) {
        double weight = answer > 0.0 ? self->weight_pos : self->weight_neg, z = total * answer;
        if (z > 18.0) gradient = weight * exp(-z) * -answer;
        else if (z < -18.0) gradient = weight * -answer;
        else gradient = weight * -answer / (exp(z) + 1.0);
    } else {
        gradient = 2.0 * (total - answer);
    }
    if (self->clip_gradient < gradient) gradient = self->clip_gradient;
    if (-self->clip_gradient > gradient) gradient = -self->clip_gradient;
    return gradient;
}

/* Welford's update of one number and its scaled value, into its cell. No rounding brings a variance below zero. */
static void scale(const ScaledLinear *self, Cell *cell)
{
    const Slot *slot = &self->slots[cell->slot];
    double count = (double)(slot->count + 1), distance = cell->value - slot->mean;
    cell->mean = slot->mean + distance / count;
    double now = cell->value - cell->mean;
    cell->variance = slot->variance + (distance * now - slot->variance) / count;
    cell->deviation = cell->variance != 0.0 ? pow(cell->variance, half) : 0.0;
    cell->encoded = clipped(self, cell->deviation != 0.0 ? now / cell->deviation : 0.0);
}

/* Slots for what the row has and nobody met before. 1, 0 for River's row, -1 on error. */
static int make_slots(ScaledLinear *self, Cell *cells, Py_ssize_t size, Py_ssize_t numbers, Py_ssize_t categories)
{
    for (Py_ssize_t i = 0; i < numbers; i++) {
        if (cells[i].slot < 0 && (cells[i].slot = add(self, cells[i].name)) < 0) return -1;
    }
    for (Py_ssize_t i = 1; i <= categories; i++) {
        Cell *cell = &cells[size - i];
        PyObject *column = column_of(self, cell, 1);
        if (column == NULL) return -1;
        cell->slot = find(self, column, 0);
        if (cell->slot == -1) cell->slot = add(self, column);
        Py_DECREF(column);
        if (cell->slot < 0) return -1;
        for (Py_ssize_t j = 0; j < numbers; j++) {
            if (cells[j].slot == cell->slot) return 0; /* a number named as the column is */
        }
        cell->encoded = 1.0;
    }
    return 1;
}

/* 1 learnt, 0 River's row (and nothing of it is in the numbers), -1 on error. */
static int learn_row(ScaledLinear *self, PyObject *row, PyObject *label)
{
    Py_ssize_t numbers, categories;
    double answer;
    if (!read_answer(self, label, &answer)) return 0;
    int ours = read_row(self, row, &numbers, &categories);
    if (ours <= 0) return ours;
    Cell *cells = self->cells;
    Py_ssize_t size = PyDict_GET_SIZE(row);
    self->dirty = 1;
    if ((ours = make_slots(self, cells, size, numbers, categories)) <= 0) return ours;
    /* From here on nothing can fail. */
    double target_rows = 0.0, target_mean = 0.0, target_squares = 0.0;
    if (self->scales_target) {
        target_rows = self->target_rows + 1.0;
        target_mean = self->target_mean + 1.0 / target_rows * (answer - self->target_mean);
        target_squares = self->target_squares + (answer - self->target_mean) * (answer - target_mean);
        double variance = target_variance(target_rows, target_squares, self->target_ddof);
        double deviation = pow(variance, half);
        answer = deviation != 0.0 ? (answer - target_mean) / deviation : 0.0;
    }
    double total = 0.0;
    for (Py_ssize_t i = 0; i < numbers; i++) {
        scale(self, &cells[i]);
        total += self->slots[cells[i].slot].weight * cells[i].encoded;
    }
    for (Py_ssize_t i = 1; i <= categories; i++) total += self->slots[cells[size - i].slot].weight * 1.0;
    total += self->intercept;
    double gradient = loss_gradient(self, total, answer);
    self->intercept -= self->intercept_lr * gradient;
    for (Py_ssize_t i = 0; i < numbers + categories; i++) {
        const Cell *cell = &cells[i < numbers ? i : size - 1 - (i - numbers)];
        Slot *slot = &self->slots[cell->slot];
        double step = cell->encoded * gradient;
        if (self->l2 != 0.0) step += self->l2 * slot->weight;
        slot->weight -= self->learning_rate * step;
        if (i < numbers) {
            slot->count++;
            slot->mean = cell->mean;
            slot->variance = cell->variance;
            slot->deviation = cell->deviation;
        }
    }
    if (self->scales_target) {
        self->target_rows = target_rows;
        self->target_mean = target_mean;
        self->target_squares = target_squares;
    }
    self->iterations++;
    return 1;
}

static PyObject *learn(ScaledLinear *self, PyObject *args)
{
    PyObject *rows;
    Py_ssize_t at;
    if (!PyArg_ParseTuple(args, "O!n", &PyList_Type, &rows, &at)) return NULL;
    for (; at < PyList_GET_SIZE(rows) && !self->retired; at++) {
        PyObject *row = PyList_GET_ITEM(rows, at);
        if (!PyTuple_Check(row) || PyTuple_GET_SIZE(row) != 2) break;
        int done = learn_row(self, PyTuple_GET_ITEM(row, 0), PyTuple_GET_ITEM(row, 1));
        if (done < 0) return NULL;
        if (!done) break;
    }
    return PyLong_FromSsize_t(at);
}

/* --- in and out ------------------------------------------------------------------------------------------------- */

static PyObject *load(ScaledLinear *self, PyObject *args)
{
    PyObject *name;
    Slot held;
    if (!PyArg_ParseTuple(args, "O!Lddd", &PyUnicode_Type, &name, &held.count, &held.mean, &held.variance,
                          &held.weight))
        return NULL;
    if (held.count < 0 || held.variance < 0.0 || find(self, name, 0) != -1) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a slot must be new and of a scaler");
        return NULL;
    }
    Py_ssize_t place = add(self, name);
    if (place < 0) return NULL;
    Slot *slot = &self->slots[place];
    slot->count = held.count;
    slot->mean = held.mean;
    slot->variance = held.variance;
    slot->deviation = held.variance != 0.0 ? pow(held.variance, half) : 0.0;
    slot->weight = held.weight;
    Py_RETURN_NONE;
}

static PyObject *slots(ScaledLinear *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *held = PyList_New(self->slots_count);
    for (Py_ssize_t i = 0; held != NULL && i < self->slots_count; i++) {
        const Slot *slot = &self->slots[i];
        PyObject *one = Py_BuildValue("OLddd", slot->name, slot->count, slot->mean, slot->variance, slot->weight);
        if (one == NULL) Py_CLEAR(held);
        else PyList_SET_ITEM(held, i, one);
    }
    return held;
}

static PyObject *create(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    ScaledLinear *self = (ScaledLinear *)type->tp_alloc(type, 0);
    if (self == NULL) return NULL;
    self->columns = Py_NewRef(Py_None);
    self->index = PyDict_New();
    if (self->index == NULL) Py_CLEAR(self);
    return (PyObject *)self;
}

static void destroy(ScaledLinear *self)
{
    for (Py_ssize_t i = 0; i < self->slots_count; i++) Py_DECREF(self->slots[i].name);
    PyMem_Free(self->slots);
    PyMem_Free(self->cells);
    Py_XDECREF(self->index);
    Py_XDECREF(self->columns);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyObject *get_columns(ScaledLinear *self, void *Py_UNUSED(closure)) { return Py_NewRef(self->columns); }

static int set_columns(ScaledLinear *self, PyObject *columns, void *Py_UNUSED(closure))
{
    if (columns == NULL || (columns != Py_None && !PyDict_CheckExact(columns))) {
        PyErr_SetString(PyExc_TypeError, "columns must be a dict or None");
        return -1;
    }
    Py_SETREF(self->columns, Py_NewRef(columns));
    return 0;
}

static PyMethodDef methods[] = {
    {"load", (PyCFunction)load, METH_VARARGS, "load(name, count, mean, variance, weight): one slot more."},
    {"slots", (PyCFunction)slots, METH_NOARGS, "slots(): (name, count, mean, variance, weight) of each, in order met."},
    {"learn", (PyCFunction)learn, METH_VARARGS, "learn(rows, start): the place of the first row not learnt."},
    {"predict", (PyCFunction)predict, METH_O, "predict(x): probability or number; None for a row of River's."},
    {NULL, NULL, 0, NULL},
};

#define FIELD(name, type) {#name, type, offsetof(ScaledLinear, name), 0, NULL}
static PyMemberDef members[] = {
    FIELD(categories_max, T_PYSSIZET), FIELD(learning_rate, T_DOUBLE), FIELD(intercept_lr, T_DOUBLE),
    FIELD(l2, T_DOUBLE), FIELD(clip_gradient, T_DOUBLE), FIELD(clip, T_DOUBLE), FIELD(weight_pos, T_DOUBLE),
    FIELD(weight_neg, T_DOUBLE), FIELD(intercept, T_DOUBLE), FIELD(target_rows, T_DOUBLE),
    FIELD(target_mean, T_DOUBLE), FIELD(target_squares, T_DOUBLE), FIELD(target_ddof, T_DOUBLE),
    FIELD(iterations, T_LONGLONG), FIELD(logistic, T_BOOL), FIELD(clips, T_BOOL), FIELD(scales_target, T_BOOL),
    FIELD(dirty, T_BOOL), FIELD(retired, T_BOOL), {NULL, 0, 0, 0, NULL},
};

static PyGetSetDef computed[] = {
    {"columns", (getter)get_columns, (setter)set_columns, "feature -> category -> column, the encoder's own", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyTypeObject ScaledLinearType = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "learners._fused.ScaledLinear",
    .tp_doc = "The numbers of a scaled linear model: predict, learn many, load, slots.",
    .tp_basicsize = sizeof(ScaledLinear),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_new = create,
    .tp_dealloc = (destructor)destroy,
    .tp_methods = methods,
    .tp_members = members,
    .tp_getset = computed,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "learners._fused", .m_doc = "See learners/kernel.py.", .m_size = -1,
};

PyMODINIT_FUNC PyInit__fused(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made == NULL || PyModule_AddType(made, &ScaledLinearType)) Py_CLEAR(made);
    return made;
}
