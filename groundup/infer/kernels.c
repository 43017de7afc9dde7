/* Whole numbers times whole numbers: what decoding spends its time on. Compiled for one KIND of processor:
2 with AVX-512 VNNI, 1 with AVX2, 0 any.

A matrix y = W x is kept as codes of 8 or 4 bits, 32 neighbours of a row to a scale; x is rounded to 8 bits in
the same groups. Then 32 products are one whole number, and the scales come after:

    y[o] = sum over groups k of  (sum over c in k of code[o,c] x8[c]) * (scale[o,k] * xscale[k])

Sixteen outputs are computed side by side, one in each lane, so nothing is ever summed across lanes. For that
a matrix lies in tiles of 16 outputs: for each group, 8 pieces of 64 bytes, of which lane l holds four
neighbouring codes of output l. Codes are stored plus 128 (in 4 bits: plus 8), because the instruction
multiplies unsigned by signed bytes; starting from -128 times the sum of the group's x takes that away again.
In 4 bits piece j is the low and piece j + 4 the high half of the same bytes.

The whole numbers are the same on every processor, and the floating-point sums have one order, written out
without fused multiply-add (-ffp-contract=off): so every bit of the result is the same with AVX-512 VNNI, with
AVX2 and with neither, for one row or eight, on one thread or two.

Next: kernels_step.c, the rest of the decode step, which this file includes. */

#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A short loop of known length, written out by the compiler. */
#define EACH(i, n) _Pragma("GCC unroll 16") for (int i = 0; i < (n); i++)

enum { LANES = 16, GROUP = 32, PIECES = 8, PIECE = 64, MOST_ROWS = 8 };

typedef float floats __attribute__((vector_size(64), aligned(4)));
typedef int32_t ints __attribute__((vector_size(64), aligned(4)));
typedef int8_t bytes __attribute__((vector_size(16), aligned(1)));

/* ---- What Python fills in (fused_layout.py has the same fields) ---------------------------------- */

typedef struct {
    int32_t outputs, cols, bits, unused;
    const uint8_t *codes;    /* tiles, as above */
    const uint16_t *scales;  /* float16: [tile][group][lane] */
    const float *bias;       /* or NULL */
} Matrix;

typedef struct {
    const float *gain, *bias;  /* bias: or NULL */
} Norm;

typedef struct {
    Norm attention_norm, mlp_norm;
    Matrix qkv, out, up, down;
    const float *q_gain, *k_gain, *attention_scale, *mlp_scale;  /* or NULL */
} Layer;

typedef struct {
    int32_t n_layer, n_head, n_kv_head, head_dim, width, hidden, context_len;
    int32_t bend, layer_norm, blocks, block_len, threads;
    float norm_eps, unused;
    const float *cos, *sin, *positions;  /* of a kind of position that the model does not have: NULL */
    Matrix embedding, head;
    Norm norm;
    const Layer *layers;
    uint16_t *keys, *values;  /* float16: [layer][G][block][place in the block][D, filled up] */
    char *scratch;
} Model;

typedef struct {
    const Model *model;
    int32_t rows, asked;
    const int32_t *ids, *places;    /* of each row: its token, and where in its text that stands */
    const int32_t *tables, *table;  /* all tables of blocks; where in them that of each row begins */
    const int32_t *asked_rows;      /* the rows whose logits are wanted */
    float *logits;
} Step;

/* x of some rows, rounded: codes, and for each group its scale and the sum of its codes. */
typedef struct {
    int32_t cols, groups;
    int8_t *codes;
    float *scales;
    int32_t *sums;
} Rounded;

/* ---- Threads: they wait a moment for the next step, then sleep ----------------------------------- */

typedef struct Pool Pool;

struct Pool {
    int threads, pid;
    pthread_t *handles;
    pthread_mutex_t one_caller, lock;
    pthread_cond_t news;
    atomic_int ticket, arrived, phase, closing;
    const Step *step;
};

typedef struct {
    Pool *pool;
    int thread;
} Seat;

static inline void pause_a_little(int tries) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
    if (tries % 4096 == 4095) sched_yield(); /* more threads than free cores */
}

static void work(Pool *, const Step *, int thread);

/* Nobody goes on before all have come. */
static void meet(Pool *pool) {
    if (pool->threads == 1) return;
    int phase = atomic_load(&pool->phase);
    if (atomic_fetch_add(&pool->arrived, 1) + 1 == pool->threads) {
        atomic_store(&pool->arrived, 0);
        atomic_fetch_add(&pool->phase, 1);
    } else {
        for (int tries = 0; atomic_load(&pool->phase) == phase; tries++) pause_a_little(tries);
    }
}

static void *serve(void *argument) {
    Seat seat = *(Seat *)argument;
    free(argument);
    Pool *pool = seat.pool;
    for (int seen = 0;; seen++) {
        for (int tries = 0; tries < 8192 && atomic_load(&pool->ticket) == seen; tries++) pause_a_little(0);
        pthread_mutex_lock(&pool->lock);
        while (atomic_load(&pool->ticket) == seen) pthread_cond_wait(&pool->news, &pool->lock);
        pthread_mutex_unlock(&pool->lock);
        if (atomic_load(&pool->closing)) return NULL;
        work(pool, pool->step, seat.thread);
        meet(pool);
    }
}

static void ring(Pool *pool) {
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->ticket, 1);
    pthread_cond_broadcast(&pool->news);
    pthread_mutex_unlock(&pool->lock);
}

Pool *pool_open(int threads) {
    Pool *pool = calloc(1, sizeof(Pool));
    if (!pool) return NULL;
    pthread_mutex_init(&pool->one_caller, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->news, NULL);
    pool->pid = getpid();
    pool->threads = 1;
    pool->handles = calloc(threads, sizeof(pthread_t));
    while (pool->handles && pool->threads < threads) { /* fewer, if the system gives no more */
        Seat *seat = malloc(sizeof(Seat));
        if (!seat) break;
        *seat = (Seat){pool, pool->threads};
        if (pthread_create(&pool->handles[pool->threads], NULL, serve, seat)) {
            free(seat);
            break;
        }
        pool->threads++;
    }
    return pool;
}

void pool_close(Pool *pool) {
    if (pool->pid == getpid()) { /* a forked child has no such threads */
        atomic_store(&pool->closing, 1);
        ring(pool);
        for (int t = 1; t < pool->threads; t++) pthread_join(pool->handles[t], NULL);
    }
    free(pool->handles);
    free(pool);
}

/* ---- Three processors ---------------------------------------------------------------------------- */

#define INLINE static inline __attribute__((always_inline)) TARGET
#define FUNCTION static TARGET

#if KIND > 0
#include <immintrin.h>
#endif

#if KIND == 2
/* AVX-512 with VNNI: four products and their sum in every lane, in one instruction. */
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,f16c")))

INLINE floats halves(const uint16_t *from) {
    return (floats)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
}

INLINE void to_halves(uint16_t *to, floats x) {
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT));
}

/* The sums of one group of one tile, for R rows. */
INLINE void group(const uint8_t *w, int bits, int R, const int8_t *x, long stride, const int32_t *sums,
                  long groups, ints *out) {
    __m512i sum[MOST_ROWS];
    EACH(r, R) sum[r] = _mm512_set1_epi32(sums[r * groups] * (bits == 8 ? -128 : -8));
    EACH(j, PIECES) {
        __m512i codes = _mm512_loadu_si512(w + PIECE * (bits == 8 ? j : j % 4));
        if (bits == 4) codes = _mm512_and_si512(j < 4 ? codes : _mm512_srli_epi16(codes, 4), _mm512_set1_epi8(15));
        EACH(r, R) {
            int32_t four;
            memcpy(&four, x + r * stride + 4 * j, 4);
            sum[r] = _mm512_dpbusd_epi32(sum[r], codes, _mm512_set1_epi32(four));
        }
    }
    EACH(r, R) out[r] = (ints)sum[r];
}

#elif KIND == 1
/* AVX2: pairs of products in 16 bits, which hold 2 x 127 x 127; so 8-bit codes go in as |code| and x with
   the code's sign. */
#define TARGET __attribute__((target("avx2,f16c")))

INLINE floats halves(const uint16_t *from) {
    union { __m256 part[2]; floats all; } x;
    for (int i = 0; i < 2; i++) x.part[i] = _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from + i));
    return x.all;
}

INLINE void to_halves(uint16_t *to, floats all) {
    union { __m256 part[2]; floats all; } x = {.all = all};
    for (int i = 0; i < 2; i++)
        _mm_storeu_si128((__m128i *)to + i, _mm256_cvtps_ph(x.part[i], _MM_FROUND_TO_NEAREST_INT));
}

INLINE void group(const uint8_t *w, int bits, int R, const int8_t *x, long stride, const int32_t *sums,
                  long groups, ints *out) {
    const __m256i ones = _mm256_set1_epi16(1);
    for (int half = 0; half < 2; half++) {
        __m256i sum[MOST_ROWS];
        EACH(r, R) sum[r] = _mm256_set1_epi32(bits == 8 ? 0 : sums[r * groups] * -8);
        EACH(j, PIECES) {
            __m256i codes =
                _mm256_loadu_si256((const __m256i *)(w + PIECE * (bits == 8 ? j : j % 4) + 32 * half));
            if (bits == 8) codes = _mm256_xor_si256(codes, _mm256_set1_epi8(-128));
            if (bits == 4)
                codes = _mm256_and_si256(j < 4 ? codes : _mm256_srli_epi16(codes, 4), _mm256_set1_epi8(15));
            EACH(r, R) {
                int32_t four;
                memcpy(&four, x + r * stride + 4 * j, 4);
                __m256i x4 = _mm256_set1_epi32(four);
                __m256i pairs = bits == 8
                                    ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(x4, codes))
                                    : _mm256_maddubs_epi16(codes, x4);
                sum[r] = _mm256_add_epi32(sum[r], _mm256_madd_epi16(pairs, ones));
            }
        }
        EACH(r, R) _mm256_storeu_si256((__m256i *)(out + r) + half, sum[r]);
    }
}

#else
/* Any processor. */
#define TARGET

INLINE floats halves(const uint16_t *from) {
    floats x;
    _Float16 half[LANES];
    memcpy(half, from, sizeof half);
    for (int l = 0; l < LANES; l++) x[l] = (float)half[l];
    return x;
}

INLINE void to_halves(uint16_t *to, floats x) {
    _Float16 half[LANES];
    for (int l = 0; l < LANES; l++) half[l] = (_Float16)x[l];
    memcpy(to, half, sizeof half);
}

INLINE void group(const uint8_t *w, int bits, int R, const int8_t *x, long stride, const int32_t *sums,
                  long groups, ints *out) {
    for (int r = 0; r < R; r++) {
        int32_t sum[LANES];
        for (int l = 0; l < LANES; l++) sum[l] = sums[r * groups] * (bits == 8 ? -128 : -8);
        for (int j = 0; j < PIECES; j++)
            for (int l = 0; l < LANES; l++)
                for (int i = 0; i < 4; i++) {
                    int code = w[PIECE * (bits == 8 ? j : j % 4) + 4 * l + i];
                    if (bits == 4) code = j < 4 ? code & 15 : code >> 4;
                    sum[l] += code * x[r * stride + 4 * j + i];
                }
        memcpy(out + r, sum, sizeof sum);
    }
}

#endif

#include "kernels_step.c"

/* ---- What Python calls --------------------------------------------------------------------------- */

/* Can this processor run what was compiled? */
int runs_here(void) {
#if KIND == 2
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#elif KIND == 1
    return __builtin_cpu_supports("avx2");
#else
    return 1;
#endif
}

/* Bytes that a model needs in `scratch` for `rows` rows at once. */
int64_t scratch_bytes(const Model *m, int rows) {
    Scratch scratch;
    return (char *)carve(&scratch, m, rows, m->threads, NULL) - (char *)NULL;
}

/* One step; 0, or 1 in a forked child, which has none of the threads. */
int step_run(Pool *pool, const Step *step) {
    if (pool->pid != getpid() && pool->threads > 1) return 1;
    pthread_mutex_lock(&pool->one_caller);
    pool->step = step;
    if (pool->threads > 1) ring(pool);
    work(pool, step, 0);
    meet(pool);
    pthread_mutex_unlock(&pool->one_caller);
    return 0;
}

/* y = W x for some rows, alone: so that a test can see a product by itself. `space`: rows x cols x 2 bytes. */
void product_run(const Matrix *m, int rows, const float *x, float *y, char *space) {
    int groups = m->cols / GROUP;
    Rounded rounded = {m->cols, groups, (int8_t *)space + (size_t)rows * groups * 8, (float *)space,
                       (int32_t *)space + (size_t)rows * groups};
    for (int r = 0; r < rows; r++) round_row(&rounded, r, x + (size_t)r * m->cols);
    product(m, &rounded, rows, y, m->outputs, NULL, 0, 0, 1);
}
