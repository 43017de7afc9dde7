/* One decode step of a transformer, from ids to logits. Included by kernels.c.

A row is one new token of any text. Rows meet nowhere but in the reading of a weight, which is read once for
up to eight of them: each row's sums have their own fixed order, so no row's result depends on the others, on
how a prompt was cut, or on the number of threads. All threads walk through the same stages; in each they
share out the outputs (or rows and heads) and then meet. What is short (norms, rounding) every thread
does for itself, which is cheaper than meeting once more.

Oracle: models/transformer.py with the weights that the codes stand for (tests). */

typedef struct {
    float *x, *heads, *mixed, *hidden; /* of all threads: [rows][...] */
    char *own;                         /* of the first thread; the others' follow */
    size_t own_bytes;
} Scratch;

typedef struct {
    Rounded rounded;
    float *row, *query, *scores;
} Own;

static size_t lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* The width of a head, filled up to 1, 2, 4 or 8 times the lanes. */
static int padded_dim(const Model *m) {
    int wide = LANES;
    while (wide < m->head_dim) wide *= 2;
    return wide;
}

/* Room for a score of every place, and a few beyond the last block. */
static int scores_of(const Model *m) {
    return (m->context_len + m->block_len + 2 * LANES) / LANES * LANES;
}

static int widest(const Model *m) {
    int wide = m->width > m->hidden ? m->width : m->hidden;
    return wide > m->n_head * m->head_dim ? wide : m->n_head * m->head_dim;
}

/* Lay out the working memory that begins at `at`; returns its end. */
static char *carve(Scratch *s, const Model *m, int rows, int threads, char *at) {
    size_t n = rows, repeat = m->n_head / m->n_kv_head;
    char *here = at;
#define TAKE(field, count) ((field) = (float *)here, here += lines((count) * sizeof(float)))
    TAKE(s->x, n * m->width);
    TAKE(s->heads, n * (m->n_head + 2 * m->n_kv_head) * m->head_dim);
    TAKE(s->mixed, n * m->n_head * m->head_dim);
    TAKE(s->hidden, n * 2 * m->hidden);
#undef TAKE
    size_t wide = widest(m), groups = wide / GROUP;
    s->own = here;
    s->own_bytes = lines(n * wide) + 2 * lines(n * groups * 4) + lines((wide + LANES) * 4) +
                   lines(repeat * padded_dim(m) * 4) + lines(repeat * scores_of(m) * 4);
    return here + threads * s->own_bytes;
}

static Own own_of(const Scratch *s, const Model *m, int rows, int thread) {
    size_t wide = widest(m), groups = wide / GROUP, n = rows;
    char *at = s->own + thread * s->own_bytes;
    Own own;
    own.rounded.codes = (int8_t *)at, at += lines(n * wide);
    own.rounded.scales = (float *)at, at += lines(n * groups * 4);
    own.rounded.sums = (int32_t *)at, at += lines(n * groups * 4);
    own.row = (float *)at, at += lines((wide + LANES) * 4);
    own.query = (float *)at, at += lines((size_t)m->n_head / m->n_kv_head * padded_dim(m) * 4);
    own.scores = (float *)at;
    return own;
}

static void shape_for(Rounded *rounded, int cols) { rounded->cols = cols, rounded->groups = cols / GROUP; }

enum { SWIGLU, GELU, GELU_ERF, RELU2 };

/* ---- Sixteen lanes ------------------------------------------------------------------------------- */

typedef float eight __attribute__((vector_size(32)));
typedef float four __attribute__((vector_size(16), aligned(4)));

/* Sixteen lanes folded to four. */
INLINE four fold(floats v) {
    eight e = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
              __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
    return __builtin_shufflevector(e, e, 0, 1, 2, 3) + __builtin_shufflevector(e, e, 4, 5, 6, 7);
}

INLINE float sum(floats v) {
    four f = fold(v);
    return (f[0] + f[2]) + (f[1] + f[3]);
}

/* The sums of four vectors, each in the order of `sum`. */
INLINE four sums_of(const floats *v) {
    four a = fold(v[0]), b = fold(v[1]), c = fold(v[2]), d = fold(v[3]);
    four ab = __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
    four cd = __builtin_shufflevector(c, d, 0, 4, 1, 5) + __builtin_shufflevector(c, d, 2, 6, 3, 7);
    return __builtin_shufflevector(ab, cd, 0, 1, 4, 5) + __builtin_shufflevector(ab, cd, 2, 3, 6, 7);
}

/* a where the mask is all ones, else b. */
INLINE floats either(ints mask, floats a, floats b) {
    return (floats)(((ints)a & mask) | ((ints)b & ~mask));
}

INLINE floats larger(floats a, floats b) { return either(a > b, a, b); }

INLINE float largest(floats v) {
    float most = v[0];
    for (int l = 1; l < LANES; l++) most = v[l] > most ? v[l] : most;
    return most;
}

INLINE floats load(const float *from) { return *(const floats *)from; }

INLINE void store(float *to, floats x) { *(floats *)to = x; }

INLINE floats all(float x) { return x - (floats){}; }

/* e^x = 2^n e^r with |r| <= ln 2 / 2; e^r by Cephes' polynomial, within two units in the last place. */
INLINE floats exps(floats x) {
    x = either(x > 88.0f, all(88.0f), x);
    x = either(x < -87.0f, all(-87.0f), x);
    floats n = (x * 1.44269504f + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23: rounds to whole numbers */
    floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    ints power = (__builtin_convertvector(n, ints) + 127) << 23;
    return p * (floats)power;
}

/* ---- Products ------------------------------------------------------------------------------------ */

/* One tile for R rows: y = W x (+ bias), or with `add` y += gain (W x + bias). */
INLINE void tile(const Matrix *m, int tile, int bits, int R, const Rounded *x, int first, float *y,
                      long stride, const float *gain, int add) {
    const int G = x->groups, step = bits == 8 ? 512 : 256;
    const uint8_t *codes = m->codes + (size_t)tile * G * step;
    const uint16_t *scales = m->scales + (size_t)tile * G * LANES;
    floats total[MOST_ROWS];
    EACH(r, R) total[r] = (floats){};
    for (int k = 0; k < G; k++) {
        ints sum[MOST_ROWS];
        __builtin_prefetch(codes + (size_t)k * step + 4096);
        group(codes + (size_t)k * step, bits, R, x->codes + (size_t)first * x->cols + k * GROUP, x->cols,
                   x->sums + first * G + k, G, sum);
        floats scale = halves(scales + k * LANES);
        EACH(r, R)
            total[r] += __builtin_convertvector(sum[r], floats) * (scale * x->scales[(first + r) * G + k]);
    }
    int at = tile * LANES, count = m->outputs - at < LANES ? m->outputs - at : LANES;
    EACH(r, R) {
        float *to = y + (size_t)(first + r) * stride + at;
        float found[LANES];
        memcpy(found, &total[r], sizeof found);
        for (int l = 0; l < count; l++) {
            float value = found[l];
            if (m->bias) value += m->bias[at + l];
            if (gain) value *= gain[at + l];
            to[l] = add ? to[l] + value : value;
        }
    }
}

FUNCTION void product(const Matrix *m, const Rounded *x, int rows, float *y, long stride,
                           const float *gain, int add, int thread, int threads) {
    int tiles = (m->outputs + LANES - 1) / LANES;
    int from = (int)((long)tiles * thread / threads), to = (int)((long)tiles * (thread + 1) / threads);
    for (int t = from; t < to; t++)
        for (int r = 0; r < rows;) {
            int left = rows - r;
#define TILE(R)                                                                                          \
    (m->bits == 8 ? tile(m, t, 8, R, x, r, y, stride, gain, add)                                    \
                  : tile(m, t, 4, R, x, r, y, stride, gain, add),                                   \
     r += R)
            if (left >= 8) TILE(8);
            else if (left >= 4) TILE(4);
            else if (left >= 2) TILE(2);
            else TILE(1);
#undef TILE
        }
}

/* Row r of `to` := x in 8 bits, 32 neighbours to a scale of largest / 127. */
FUNCTION void round_row(Rounded *to, int r, const float *x) {
    for (int k = 0; k < to->groups; k++) {
        floats a = load(x + k * GROUP), b = load(x + k * GROUP + LANES);
        floats size = larger(larger(a, -a), larger(b, -b));
        float most = largest(size), inverse = most > 0 ? 127.0f / most : 0.0f;
        ints ca = __builtin_convertvector((a * inverse + 12582912.0f) - 12582912.0f, ints);
        ints cb = __builtin_convertvector((b * inverse + 12582912.0f) - 12582912.0f, ints);
        int8_t *codes = to->codes + (size_t)r * to->cols + k * GROUP;
        *(bytes *)codes = __builtin_convertvector(ca, bytes);
        *(bytes *)(codes + LANES) = __builtin_convertvector(cb, bytes);
        int32_t sum = 0;
        for (int l = 0; l < LANES; l++) sum += ca[l] + cb[l];
        to->sums[r * to->groups + k] = sum;
        to->scales[r * to->groups + k] = most / 127.0f;
    }
}

/* ---- Between the products ------------------------------------------------------------------------ */

/* RMSNorm or LayerNorm of one row of `width` numbers. */
FUNCTION void norm_row(const Model *m, const Norm *norm, const float *x, float *y) {
    float mean = 0.0f;
    floats total = {};
    if (m->layer_norm) {
        for (int c = 0; c < m->width; c += LANES) total += load(x + c);
        mean = sum(total) / m->width;
    }
    floats squares = {};
    for (int c = 0; c < m->width; c += LANES) {
        floats d = load(x + c) - mean;
        squares += d * d;
    }
    float inverse = 1.0f / sqrtf(sum(squares) / m->width + m->norm_eps);
    for (int c = 0; c < m->width; c += LANES) {
        floats d = (load(x + c) - mean) * inverse * load(norm->gain + c);
        store(y + c, norm->bias ? d + load(norm->bias + c) : d);
    }
}

/* Half of the feed-forward part: what stands between its two matrices, for one row. */
FUNCTION void bend_row(const Model *m, const float *x, float *y) {
    for (int f = 0; f < m->hidden; f += LANES) {
        floats a = load(x + f), b;
        if (m->bend == SWIGLU) {
            b = a / (1.0f + exps(-a)) * load(x + m->hidden + f);
        } else if (m->bend == GELU) { /* (1 + tanh u) / 2 = 1 / (1 + e^-2u) */
            b = a / (1.0f + exps(-1.5957691216f * (a + 0.044715f * a * a * a)));
        } else if (m->bend == RELU2) {
            b = either(a > 0.0f, a * a, all(0.0f));
        } else {
            for (int l = 0; l < LANES; l++) b[l] = 0.5f * a[l] * (1.0f + erff(a[l] * 0.70710678f));
        }
        store(y + f, b);
    }
}

/* Row r := its token's row of the embedding, plus its position's where the model has learned ones. */
FUNCTION void embed_row(const Model *m, const Step *step, int r, float *x) {
    const Matrix *e = &m->embedding;
    int id = step->ids[r], groups = e->cols / GROUP, tile = id / LANES, lane = id % LANES;
    for (int k = 0; k < groups; k++) {
        const uint8_t *codes = e->codes + ((size_t)tile * groups + k) * 512 + 4 * lane;
        floats scales = halves(e->scales + ((size_t)tile * groups + k) * LANES);
        for (int c = 0; c < GROUP; c++)
            x[k * GROUP + c] = (codes[PIECE * (c / 4) + c % 4] - 128) * scales[lane];
    }
    if (m->positions)
        for (int c = 0; c < m->width; c++) x[c] += m->positions[(size_t)step->places[r] * m->width + c];
}

/* Head h of row r (queries, then keys, then values): norm, turn; keys and values go to their block. */
FUNCTION void turn_head(const Model *m, const Step *step, int layer, int r, int h, float *x) {
    const int H = m->n_head, G = m->n_kv_head, D = m->head_dim, place = step->places[r];
    const Layer *l = &m->layers[layer];
    const float *gain = h < H ? l->q_gain : h < H + G ? l->k_gain : NULL;
    if (gain) {
        float squares = 0.0f;
        for (int d = 0; d < D; d++) squares += x[d] * x[d];
        float inverse = 1.0f / sqrtf(squares / D + m->norm_eps);
        for (int d = 0; d < D; d++) x[d] = x[d] * inverse * gain[d];
    }
    if (m->cos && h < H + G) {
        const float *cos = m->cos + (size_t)place * D, *sin = m->sin + (size_t)place * D;
        for (int d = 0; d < D / 2; d++) {
            float a = x[d], b = x[d + D / 2];
            x[d] = a * cos[d] - b * sin[d];
            x[d + D / 2] = b * cos[d] + a * sin[d];
        }
    }
    if (h < H) return;
    const int P = padded_dim(m), L = m->block_len, g = (h - H) % G;
    size_t block = ((size_t)layer * G + g) * m->blocks + step->tables[step->table[r] + place / L];
    uint16_t *to = (h < H + G ? m->keys : m->values) + (block * L + place % L) * P;
    for (int d = 0; d < P; d += LANES) {
        float part[LANES] = {0};
        for (int l = 0; l < LANES && d + l < D; l++) part[l] = x[d + l];
        to_halves(to + d, load(part));
    }
}

/* The query heads of row r that share key head g; N lanes-full of a head's width. */
INLINE void attend_wide(const Model *m, const Step *step, int layer, int r, int g, const Own *own,
                             const float *heads, float *mixed, int N) {
    const int H = m->n_head, G = m->n_kv_head, D = m->head_dim, L = m->block_len, P = N * LANES;
    const int repeat = H / G, end = step->places[r] + 1, S = scores_of(m);
    const int32_t *table = step->tables + step->table[r];
    const size_t block = (size_t)L * P, first = ((size_t)layer * G + g) * m->blocks * block;
    const float scale = 1.0f / sqrtf((float)D);
    for (int q = 0; q < repeat; q++)
        for (int d = 0; d < P; d++) own->query[q * P + d] = d < D ? heads[(g * repeat + q) * D + d] * scale : 0;
    for (int b = 0; b * L < end; b++) {
        const uint16_t *keys = m->keys + first + table[b] * block;
        int count = end - b * L < L ? end - b * L : L;
        for (int i = 0; i < count; i += 4) /* four keys at once; beyond the block: its last one again */
            for (int q = 0; q < repeat; q++) {
                const float *query = own->query + q * P;
                floats found[4];
                EACH(k, 4) {
                    const uint16_t *key = keys + (size_t)(i + k < L ? i + k : L - 1) * P;
                    found[k] = (floats){};
                    EACH(n, N) found[k] += load(query + n * LANES) * halves(key + n * LANES);
                }
                *(four *)(own->scores + q * S + b * L + i) = sums_of(found);
            }
    }
    for (int q = 0; q < repeat; q++) {
        float *scores = own->scores + q * S;
        int full = (end + LANES - 1) / LANES * LANES;
        for (int s = end; s < full; s++) scores[s] = -INFINITY;
        floats most = load(scores), total = {}, mix[N];
        for (int s = LANES; s < full; s += LANES) most = larger(most, load(scores + s));
        float top = largest(most);
        for (int s = 0; s < full; s += LANES) {
            floats x = load(scores + s);
            floats e = either(x == -INFINITY, all(0.0f), exps(x - top));
            store(scores + s, e);
            total += e;
        }
        EACH(n, N) mix[n] = (floats){};
        for (int b = 0; b * L < end; b++) {
            const uint16_t *value = m->values + first + table[b] * block;
            int count = end - b * L < L ? end - b * L : L;
            for (int i = 0; i < count; i++)
                EACH(n, N)
                    mix[n] += scores[b * L + i] * halves(value + (size_t)i * P + n * LANES);
        }
        float inverse = 1.0f / sum(total), found[N * LANES];
        EACH(n, N) store(found + n * LANES, mix[n] * inverse);
        memcpy(mixed + (g * repeat + q) * D, found, sizeof(float) * D);
    }
}

FUNCTION void attend(const Model *m, const Step *step, int layer, int r, int g, const Own *own,
                          const float *heads, float *mixed) {
#define WIDE(N)                                                      \
    case N:                                                          \
        attend_wide(m, step, layer, r, g, own, heads, mixed, N);     \
        break;
    switch (padded_dim(m) / LANES) {
        WIDE(1)
        WIDE(2)
        WIDE(4)
        WIDE(8)
    }
#undef WIDE
}

/* ---- The step ------------------------------------------------------------------------------------ */

FUNCTION void one_layer(Pool *pool, const Step *step, const Scratch *s, Own *own, int number, int thread) {
    const Model *m = step->model;
    const Layer *l = &m->layers[number];
    const int H = m->n_head, G = m->n_kv_head, D = m->head_dim, all = H + 2 * G, rows = step->rows;
    const int F = l->up.outputs, n = pool->threads;
    shape_for(&own->rounded, m->width);
    for (int r = 0; r < rows; r++) {
        norm_row(m, &l->attention_norm, s->x + (size_t)r * m->width, own->row);
        round_row(&own->rounded, r, own->row);
    }
    product(&l->qkv, &own->rounded, rows, s->heads, all * D, NULL, 0, thread, n);
    meet(pool);
    for (int i = thread; i < rows * all; i += n)
        turn_head(m, step, number, i / all, i % all, s->heads + (size_t)i * D);
    meet(pool);
    for (int i = thread; i < rows * G; i += n)
        attend(m, step, number, i / G, i % G, own, s->heads + (size_t)(i / G) * all * D,
                    s->mixed + (size_t)(i / G) * H * D);
    meet(pool);
    shape_for(&own->rounded, H * D);
    for (int r = 0; r < rows; r++) round_row(&own->rounded, r, s->mixed + (size_t)r * H * D);
    product(&l->out, &own->rounded, rows, s->x, m->width, l->attention_scale, 1, thread, n);
    meet(pool);
    shape_for(&own->rounded, m->width);
    for (int r = 0; r < rows; r++) {
        norm_row(m, &l->mlp_norm, s->x + (size_t)r * m->width, own->row);
        round_row(&own->rounded, r, own->row);
    }
    product(&l->up, &own->rounded, rows, s->hidden, F, NULL, 0, thread, n);
    meet(pool);
    shape_for(&own->rounded, m->hidden);
    for (int r = 0; r < rows; r++) {
        bend_row(m, s->hidden + (size_t)r * F, own->row);
        round_row(&own->rounded, r, own->row);
    }
    product(&l->down, &own->rounded, rows, s->x, m->width, l->mlp_scale, 1, thread, n);
    meet(pool);
}

FUNCTION void work(Pool *pool, const Step *step, int thread) {
    const Model *m = step->model;
    Scratch s;
    carve(&s, m, step->rows, m->threads, m->scratch);
    Own own = own_of(&s, m, step->rows, thread);
    for (int r = thread; r < step->rows; r += pool->threads)
        embed_row(m, step, r, s.x + (size_t)r * m->width);
    meet(pool);
    for (int layer = 0; layer < m->n_layer; layer++) one_layer(pool, step, &s, &own, layer, thread);
    shape_for(&own.rounded, m->width);
    for (int i = 0; i < step->asked; i++) {
        norm_row(m, &m->norm, s.x + (size_t)step->asked_rows[i] * m->width, own.row);
        round_row(&own.rounded, i, own.row);
    }
    product(&m->head, &own.rounded, step->asked, step->logits, m->head.outputs, NULL, 0, thread,
                 pool->threads);
}
