/* groundup.c: a language model in one file of C99: text to tokens, tokens through the transformer, tokens to text.

       cc -O3 -march=native groundup.c -lm -o groundup
       ./groundup model.bin "Once upon a time"         continue a text; the prompt may be empty
       ./groundup model.bin -c                         chat: each line of stdin is a message
       ./groundup model.bin -h                         every option

   Written by `groundup export c`, for any model that groundup trains: rotary or learned positions, RMSNorm or
   LayerNorm, SwiGLU, GELU or squared ReLU, grouped heads, QK-norm, biases, tied embeddings; characters or byte pairs.
   With -t 0 it writes the tokens that groundup writes. Nothing that a user types can become a control token: text only
   ever goes through `encode`, which knows none.

   model.bin, little-endian; every part begins at a multiple of 4 bytes:

       struct Header         below: what the model is, and how long each part is
       u32 ends[vocab]       where the bytes of each token end; a control token has none
       u8  bytes[]           the bytes of all tokens, joined, up to a multiple of 4
       u32 merges[][4]       left, right, made, rank: two neighbours become one, the smallest rank first
       u32 classes[]         first code point << 3 | class, for each run of Unicode characters of one class
       u32 lists[][1 + n]    a count, then ids: see enum List
       f32 tensors[]         embedding [vocab, embd]; learned positions [context, embd]; for each layer:
                             norm, qkv (queries above keys above values), q_norm, k_norm, out, norm,
                             gate above up (SwiGLU) or up, down; the last norm; the head, if it is not tied.
                             A matrix is row after row, one row an output; its bias follows it.
                             As int8 (dtype 1) a matrix has, for every 32 numbers of a row, an f32 scale (all scales
                             first), then the numbers: number = scale * int8. Only matrices, and the embedding.

   Not here: tools (a reply ends where the model asks one), threads, reading a prompt many tokens at a time. */
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum Choice { RMS, LAYER, NO_POSITION = 0, LEARNED, ROTARY, SWIGLU = 0, GELU, GELU_ERF, RELU2, F32 = 0, INT8 };
enum Split { CHARACTERS, WHOLE, GPT2, CL100K, DIGITS }; /* how text is cut before its pieces are merged */
enum List { /* the ids that have a place of their own; a message is HEAD, encode(FRAME text), TAIL */
    BEFORE, EMPTY, STOP, /* before every text; instead of an empty one; what ends one */
    OPENING, DEFAULT_SYSTEM, SYSTEM_HEAD, SYSTEM_FRAME, SYSTEM_TAIL, USER_HEAD, USER_FRAME, USER_TAIL,
    REPLY_HEAD, REPLY_FRAME, REPLY_TAIL, REPLY_STOP, CALL, LISTS /* a FRAME holds bytes; CALL: call, result */
};

typedef struct {
    char magic[8];      /* "groundup" */
    uint64_t length;    /* of the file, bytes */
    double norm_eps, rope_theta;
    uint32_t version, adler32; /* 1; the checksum of all that follows the header */
    uint32_t vocab, context, layers, heads, kv_heads, head_dim, embd, hidden;
    uint32_t norm, position, mlp, dtype;          /* enum Choice */
    uint32_t tied, qk_norm, bias, qkv_bias, chat; /* 0 or 1 */
    uint32_t split, whole_pieces;                 /* enum Split; 1: a piece that is a token is that token */
    uint32_t bytes, merges, classes, list_words;  /* how long these parts are; bytes without their filling */
    uint32_t unused;
} Header;

typedef struct { const float *f32, *scale, *bias; const int8_t *int8; uint32_t rows, columns; } Matrix;
typedef struct { const float *gain, *bias; } Norm;
typedef struct { Norm norm, mlp_norm; Matrix qkv, out, up, down; const float *q_norm, *k_norm; } Layer;
typedef struct { uint32_t *at; size_t n, room; } Ids;
typedef struct { unsigned char *at; size_t n, room; } Text;

static Header h;
static const uint32_t *token_ends, *merges, *classes, *lists[LISTS]; /* lists[k][0] ids, from lists[k][1] on */
static const unsigned char *token_bytes;
static uint32_t *by_bytes, known, *merge_table, merge_mask, byte_ids[256]; /* made from them by prepare_tokens */
static Matrix embedding, head;
static const float *positions;
static Layer *layers;
static Norm last_norm;
static double *frequencies;                                          /* of the rotation, one a pair of channels */
static float *x, *y, *qkv, *mixed, *wide, *scores, *logits, *keys, *values; /* activations; the past */
static Ids seen;                                                     /* whose keys and values are the past */

static void die(const char *format, ...) {
    va_list words;
    va_start(words, format);
    fflush(stdout);
    fputs("groundup: ", stderr);
    vfprintf(stderr, format, words);
    fputc('\n', stderr);
    va_end(words);
    exit(2);
}

static void *room_for(uint64_t count, size_t size) {
    void *made = count <= SIZE_MAX / size ? calloc(count ? (size_t)count : 1, size) : NULL;
    if (!made) die("There is no memory for %llu MB.", (unsigned long long)(count / 1048576 * size));
    return made;
}

static void *larger(void *at, size_t *room, size_t size) { /* the same, with room for twice as much */
    *room = *room ? 2 * *room : 64;
    if (!(at = *room <= SIZE_MAX / size ? realloc(at, *room * size) : NULL)) die("There is no more memory.");
    return at;
}

static void push(Ids *ids, uint32_t id) {
    if (ids->n == ids->room) ids->at = larger(ids->at, &ids->room, sizeof *ids->at);
    ids->at[ids->n++] = id;
}

static void add(Text *text, int byte) {
    if (text->n == text->room) text->at = larger(text->at, &text->room, 1);
    text->at[text->n++] = (unsigned char)byte;
}

static int has(const uint32_t *list, uint32_t id) {
    for (uint32_t i = 1; i <= list[0]; i++)
        if (list[i] == id) return 1;
    return 0;
}

/* ---- The file ------------------------------------------------------------------------------------ */

static const unsigned char *cursor, *file_end;

static const void *take(uint64_t count, size_t size) { /* the next part of the file; never beyond its end */
    const void *part = cursor;
    if (count > (uint64_t)(file_end - cursor) / size) die("The model file is damaged: its parts do not fit into it.");
    cursor += count * size;
    return part;
}

static Matrix take_matrix(uint64_t rows, uint32_t columns, int bias) {
    Matrix made = {0};
    made.rows = (uint32_t)rows, made.columns = columns;
    if (h.dtype == INT8) {
        made.scale = take(rows * (columns / 32), 4);
        made.int8 = take(rows * columns, 1);
    } else made.f32 = take(rows * columns, 4);
    if (bias) made.bias = take(rows, 4);
    return made;
}

static Norm take_norm(void) {
    Norm made;
    made.gain = take(h.embd, 4);
    made.bias = h.norm == LAYER && h.bias ? take(h.embd, 4) : NULL;
    return made;
}

static void check(const char *name, uint64_t value, uint64_t least, uint64_t most) {
    if (value < least || value > most)
        die("The model file says %s = %llu, and this program allows %llu to %llu. It is damaged or newer; export it again.",
            name, (unsigned long long)value, (unsigned long long)least, (unsigned long long)most);
}

static void check_header(const char *path, uint64_t size) {
    if (size < sizeof h || memcmp(h.magic, "groundup", 8)) die("%s is no model file of `groundup export c`.", path);
    check("version", h.version, 1, 1);
    if (h.length != size)
        die("%s has %llu bytes and should have %llu: it was cut short or altered. Copy it again.", path,
            (unsigned long long)size, (unsigned long long)h.length);
    check("vocab", h.vocab, 1, 1 << 24), check("context", h.context, 2, 1 << 20);
    check("layers", h.layers, 1, 1 << 10), check("heads", h.heads, 1, 1 << 12);
    check("kv_heads", h.kv_heads, 1, h.heads), check("head_dim", h.head_dim, 1, 1 << 12);
    check("embd", h.embd, 1, 1 << 17), check("hidden", h.hidden, 1, 1 << 19);
    check("heads without keys", h.heads % h.kv_heads, 0, 0);
    check("norm", h.norm, 0, LAYER), check("position", h.position, 0, ROTARY);
    check("mlp", h.mlp, 0, RELU2), check("dtype", h.dtype, 0, INT8);
    check("tied", h.tied, 0, 1), check("qk_norm", h.qk_norm, 0, 1), check("bias", h.bias, 0, 1);
    check("qkv_bias", h.qkv_bias, 0, 1), check("chat", h.chat, 0, 1), check("split", h.split, 0, DIGITS);
    check("whole_pieces", h.whole_pieces, 0, 1);
    if (h.position == ROTARY) check("odd channels of a head", h.head_dim % 2, 0, 0);
    if (h.dtype == INT8) check("channels beyond groups of 32", h.embd % 32 + h.hidden % 32 + h.heads * h.head_dim % 32, 0, 0);
    if (!(h.norm_eps >= 0 && h.norm_eps < 1) || !(h.rope_theta > 0 && h.rope_theta < 1e30))
        die("The model file is damaged: norm_eps or rope_theta is no sensible number.");
}

static void take_tokens(void) {
    uint32_t n_bytes = h.bytes, words = h.list_words, used = 0, end = 0;
    token_ends = take(h.vocab, 4);
    token_bytes = take((n_bytes + (uint64_t)3) / 4, 4);
    merges = take(h.merges, 16);
    classes = take(h.classes, 4);
    for (uint32_t id = 0; id < h.vocab; end = token_ends[id++])
        if (token_ends[id] < end || token_ends[id] > n_bytes) die("The model file is damaged in token %u.", id);
    for (uint64_t i = 0; i < 4 * (uint64_t)h.merges; i++)
        if (i % 4 != 3 && merges[i] >= h.vocab) die("The model file is damaged in merge %llu.", (unsigned long long)i / 4);
    for (uint32_t i = 0; i < h.classes; i++)
        if (i ? classes[i] >> 3 <= classes[i - 1] >> 3 : classes[i] >> 3) die("The model file is damaged in its characters.");
    if (h.split >= GPT2 && !h.classes) die("The model file is damaged: it has no table of characters.");
    const uint32_t *at = take(words, 4);
    for (int k = 0; k < LISTS; k++, used += 1 + at[used]) {
        if (used >= words || at[used] >= words - used) die("The model file is damaged in its lists.");
        uint32_t most = k == SYSTEM_FRAME || k == USER_FRAME || k == REPLY_FRAME ? 256 : h.vocab;
        for (uint32_t i = 1; i <= at[used]; i++)
            if (at[used + i] >= most) die("The model file is damaged in list %d.", k);
        lists[k] = at + used;
    }
    if (used != words || lists[EMPTY][0] != 1) die("The model file is damaged in its lists.");
}

static void take_tensors(void) {
    uint32_t queries = h.heads * h.head_dim, pairs = h.kv_heads * h.head_dim;
    embedding = take_matrix(h.vocab, h.embd, 0);
    if (h.position == LEARNED) positions = take((uint64_t)h.context * h.embd, 4);
    layers = room_for(h.layers, sizeof *layers);
    for (Layer *l = layers; l < layers + h.layers; l++) {
        l->norm = take_norm();
        l->qkv = take_matrix(queries + 2 * (uint64_t)pairs, h.embd, (int)h.qkv_bias);
        if (h.qk_norm) l->q_norm = take(h.head_dim, 4), l->k_norm = take(h.head_dim, 4);
        l->out = take_matrix(h.embd, queries, (int)h.bias);
        l->mlp_norm = take_norm();
        l->up = take_matrix((h.mlp == SWIGLU ? 2 : 1) * (uint64_t)h.hidden, h.embd, (int)h.bias);
        l->down = take_matrix(h.embd, h.hidden, (int)h.bias);
    }
    last_norm = take_norm();
    head = h.tied ? embedding : take_matrix(h.vocab, h.embd, 0);
    if (cursor != file_end) die("The model file is damaged: it is longer than its parts.");

    uint64_t past = (uint64_t)h.layers * h.context * pairs;
    x = room_for(h.embd, 4), y = room_for(h.embd, 4), logits = room_for(h.vocab, 4), scores = room_for(h.context, 4);
    qkv = room_for(queries + 2 * (uint64_t)pairs, 4), mixed = room_for(queries, 4), wide = room_for(2 * (uint64_t)h.hidden, 4);
    keys = room_for(past, 4), values = room_for(past, 4), frequencies = room_for(h.head_dim, sizeof(double));
    for (uint32_t i = 0; i < h.head_dim / 2; i++) frequencies[i] = pow(h.rope_theta, -2.0 * i / h.head_dim);
}

static uint32_t adler32(const unsigned char *at, const unsigned char *end) { /* RFC 1950, section 8.2 */
    uint32_t a = 1, b = 0;
    while (at < end) {
        const unsigned char *stop = end - at > 5552 ? at + 5552 : end; /* b does not overflow before that */
        for (; at < stop; at++) a += *at, b += a;
        a %= 65521, b %= 65521;
    }
    return b << 16 | a;
}

static void load(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) die("%s cannot be read.", path);
    size_t begins = fread(&h, 1, sizeof h, file);
    long size = begins < sizeof h || fseek(file, 0, SEEK_END) ? (long)begins : ftell(file);
    check_header(path, (uint64_t)size);
    rewind(file);
    unsigned char *all = room_for((uint64_t)size, 1);
    if (fread(all, 1, (size_t)size, file) != (size_t)size) die("%s cannot be read.", path);
    fclose(file);
    cursor = all + sizeof h, file_end = all + size;
    if (adler32(cursor, file_end) != h.adler32) die("%s was altered after it was written. Copy it again.", path);
    take_tokens();
    take_tensors();
}

/* ---- The transformer: one token in, the scores of the next one out --------------------------------- */

static float dot(const float *a, const float *b, uint32_t n) { /* 16 sums, so that a compiler can use wide registers */
    float sums[16] = {0}, sum = 0;
    uint32_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) sums[j] += a[i + j] * b[i + j];
    for (; i < n; i++) sum += a[i] * b[i];
    for (int j = 0; j < 16; j++) sum += sums[j];
    return sum;
}

static float dot_int8(const int8_t *a, const float *scale, const float *b, uint32_t n) {
    float sum = 0;
    for (uint32_t i = 0; i < n; i += 32) {
        float sums[16] = {0}, group = 0;
        for (int j = 0; j < 32; j++) sums[j % 16] += (float)a[i + j] * b[i + j];
        for (int j = 0; j < 16; j++) group += sums[j];
        sum += scale[i / 32] * group;
    }
    return sum;
}

static void multiply(float *out, const Matrix *m, const float *in) {
    uint32_t n = m->columns;
    for (uint32_t r = 0; r < m->rows; r++) {
        size_t at = (size_t)r * n;
        out[r] = m->f32 ? dot(m->f32 + at, in, n) : dot_int8(m->int8 + at, m->scale + at / 32, in, n);
        if (m->bias) out[r] += m->bias[r];
    }
}

static void rms_norm(float *out, const float *in, const float *gain, uint32_t n) {
    double squares = 0;
    for (uint32_t i = 0; i < n; i++) squares += (double)in[i] * in[i];
    float scale = (float)(1 / sqrt(squares / n + h.norm_eps));
    for (uint32_t i = 0; i < n; i++) out[i] = in[i] * scale * gain[i];
}

static void normalise(float *out, const float *in, Norm norm) {
    double mean = 0, squares = 0;
    if (h.norm == RMS) {
        rms_norm(out, in, norm.gain, h.embd);
        return;
    }
    for (uint32_t i = 0; i < h.embd; i++) mean += in[i];
    mean /= h.embd;
    for (uint32_t i = 0; i < h.embd; i++) squares += (in[i] - mean) * (in[i] - mean);
    double scale = 1 / sqrt(squares / h.embd + h.norm_eps);
    for (uint32_t i = 0; i < h.embd; i++)
        out[i] = (float)((in[i] - mean) * scale) * norm.gain[i] + (norm.bias ? norm.bias[i] : 0);
}

static void rotate(float *head_at, uint32_t position) { /* channel i is paired with channel i + head_dim/2 */
    uint32_t half = h.head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        float c = (float)cos(position * frequencies[i]), s = (float)sin(position * frequencies[i]);
        float a = head_at[i], b = head_at[i + half];
        head_at[i] = a * c - b * s;
        head_at[i + half] = b * c + a * s;
    }
}

static void softmax(float *at, uint32_t n) {
    float most = at[0], sum = 0;
    for (uint32_t i = 1; i < n; i++)
        if (at[i] > most) most = at[i];
    for (uint32_t i = 0; i < n; i++) sum += at[i] = expf(at[i] - most);
    for (uint32_t i = 0; i < n; i++) at[i] /= sum;
}

static void attend(const Layer *l, uint32_t layer, uint32_t position) { /* mixed = what each head looked up */
    uint32_t D = h.head_dim, width = h.kv_heads * D, sharing = h.heads / h.kv_heads;
    float *k = keys + (size_t)layer * h.context * width, *v = values + (size_t)layer * h.context * width;
    for (uint32_t i = 0; i < h.heads + h.kv_heads; i++) { /* the heads of the queries, then those of the keys */
        if (h.qk_norm) rms_norm(qkv + i * D, qkv + i * D, i < h.heads ? l->q_norm : l->k_norm, D);
        if (h.position == ROTARY) rotate(qkv + i * D, position);
    }
    memcpy(k + (size_t)position * width, qkv + h.heads * D, width * sizeof *k);
    memcpy(v + (size_t)position * width, qkv + h.heads * D + width, width * sizeof *v);
    for (uint32_t i = 0; i < h.heads; i++) {
        uint32_t shared = i / sharing * D;
        float *out = mixed + i * D;
        for (uint32_t s = 0; s <= position; s++)
            scores[s] = dot(qkv + i * D, k + (size_t)s * width + shared, D) / sqrtf((float)D);
        softmax(scores, position + 1);
        memset(out, 0, D * sizeof *out);
        for (uint32_t s = 0; s <= position; s++)
            for (uint32_t d = 0; d < D; d++) out[d] += scores[s] * v[(size_t)s * width + shared + d];
    }
}

static void bend(float *at) { /* the feed-forward's activation, in place */
    for (uint32_t i = 0; i < h.hidden; i++) {
        float z = at[i];
        if (h.mlp == SWIGLU) at[i] = z / (1 + expf(-z)) * at[h.hidden + i];
        else if (h.mlp == GELU) at[i] = 0.5f * z * (1 + tanhf(0.7978845608f * (z + 0.044715f * z * z * z)));
        else if (h.mlp == GELU_ERF) at[i] = 0.5f * z * (1 + erff(z * 0.7071067812f));
        else at[i] = z > 0 ? z * z : 0;
    }
}

static void forward(uint32_t id, uint32_t position, int score) {
    size_t row = (size_t)id * h.embd;
    for (uint32_t i = 0; i < h.embd; i++) {
        x[i] = h.dtype == F32 ? embedding.f32[row + i] : embedding.scale[(row + i) / 32] * embedding.int8[row + i];
        if (positions) x[i] += positions[(size_t)position * h.embd + i];
    }
    for (uint32_t n = 0; n < h.layers; n++) {
        const Layer *l = layers + n;
        normalise(y, x, l->norm);
        multiply(qkv, &l->qkv, y);
        attend(l, n, position);
        multiply(y, &l->out, mixed);
        for (uint32_t i = 0; i < h.embd; i++) x[i] += y[i];
        normalise(y, x, l->mlp_norm);
        multiply(wide, &l->up, y);
        bend(wide);
        multiply(y, &l->down, wide);
        for (uint32_t i = 0; i < h.embd; i++) x[i] += y[i];
    }
    if (!score) return; /* inside a prompt nobody asks what comes next */
    normalise(y, x, last_norm);
    multiply(logits, &head, y);
}

static void read_ids(const uint32_t *ids, size_t n) { /* logits after the last id; what is the same is not read again */
    size_t same = 0;
    while (same < seen.n && same + 1 < n && seen.at[same] == ids[same]) same++;
    for (seen.n = same; seen.n < n; push(&seen, ids[seen.n])) forward(ids[seen.n], (uint32_t)seen.n, seen.n + 1 == n);
}

/* ---- Text to ids, and back ------------------------------------------------------------------------- */

enum Class { OTHER, UPPER, LOWER, LETTER, MARK, NUMBER, SPACE, NEWLINE }; /* of a character, in Unicode 16 */
enum { LETTERS = 1 << UPPER | 1 << LOWER | 1 << LETTER, NUMBERS = 1 << NUMBER, BLANKS = 1 << SPACE | 1 << NEWLINE,
       OTHERS = 1 << OTHER | 1 << MARK };
typedef struct { int kind; size_t end; } Character;
typedef struct { uint64_t order; uint32_t merge; } Candidate; /* order: rank, then place from the left */

static const unsigned char *token(uint32_t id, size_t *n) {
    uint32_t start = id ? token_ends[id - 1] : 0;
    *n = token_ends[id] - start;
    return token_bytes + start;
}

static int compare_bytes(const unsigned char *a, size_t n_a, const unsigned char *b, size_t n_b) {
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);
    return order ? order : (n_a > n_b) - (n_a < n_b);
}

static int compare_tokens(const void *a, const void *b) {
    size_t n_a, n_b;
    const unsigned char *at_a = token(*(const uint32_t *)a, &n_a), *at_b = token(*(const uint32_t *)b, &n_b);
    return compare_bytes(at_a, n_a, at_b, n_b);
}

static uint32_t find_token(const unsigned char *b, size_t n) { /* the id of these bytes, h.vocab if there is none */
    uint32_t low = 0, high = known;
    while (low < high) {
        size_t n_here;
        uint32_t middle = low + (high - low) / 2;
        const unsigned char *here = token(by_bytes[middle], &n_here);
        int order = compare_bytes(b, n, here, n_here);
        if (!order) return by_bytes[middle];
        if (order < 0) high = middle;
        else low = middle + 1;
    }
    return h.vocab;
}

static uint32_t slot(uint32_t left, uint32_t right) { /* where the table has this merge, or would have it */
    uint32_t at = (left * 0x9E3779B1u ^ right * 0x85EBCA6Bu) & merge_mask;
    while (merge_table[at] && (merges[4 * (merge_table[at] - 1)] != left || merges[4 * (merge_table[at] - 1) + 1] != right))
        at = (at + 1) & merge_mask;
    return at;
}

static void prepare_tokens(void) { /* tokens in the order of their bytes; merges as a hash table of index + 1 */
    size_t n;
    by_bytes = room_for(h.vocab, 4);
    for (uint32_t id = 0; id < h.vocab; id++)
        if (token(id, &n), n) by_bytes[known++] = id;
    qsort(by_bytes, known, 4, compare_tokens);
    for (int byte = 0; byte < 256; byte++) byte_ids[byte] = find_token((unsigned char[]){(unsigned char)byte}, 1);
    uint64_t size = 1;
    while (size < 2 * (uint64_t)h.merges + 1) size *= 2;
    if (size > UINT32_MAX) die("The model file has too many merges.");
    merge_table = room_for(size, 4);
    merge_mask = (uint32_t)size - 1;
    for (uint32_t i = 0; i < h.merges; i++) {
        uint32_t at = slot(merges[4 * i], merges[4 * i + 1]);
        if (!merge_table[at]) merge_table[at] = i + 1;
    }
}

static Character character(const unsigned char *b, size_t i, size_t n) { /* a byte that is no UTF-8 is an OTHER */
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t point = b[i], low = 0, high = h.classes;
    size_t length = b[i] < 0x80 ? 1 : b[i] < 0xC2 ? 0 : b[i] < 0xE0 ? 2 : b[i] < 0xF0 ? 3 : b[i] < 0xF5 ? 4 : 0;
    if (length > 1) point &= 0xFFu >> (length + 1);
    for (size_t k = 1; k < length; k++) {
        if (i + k >= n || (b[i + k] & 0xC0) != 0x80) return (Character){OTHER, i + 1};
        point = point << 6 | (b[i + k] & 0x3F);
    }
    if (!length || point < least[length] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
        return (Character){OTHER, i + 1};
    while (high - low > 1) { /* the last run that begins at or before it */
        uint32_t middle = low + (high - low) / 2;
        if (classes[middle] >> 3 <= point) low = middle;
        else high = middle;
    }
    return (Character){h.classes ? (int)(classes[low] & 7) : OTHER, i + length};
}

static size_t run_end(const unsigned char *b, size_t i, size_t n, int kinds) {
    for (Character c; i < n && (c = character(b, i, n), kinds >> c.kind & 1); i = c.end) {}
    return i;
}

static size_t contraction(const unsigned char *b, size_t i, size_t n) { /* bytes of 's 't 'm 'd 're 've 'll at i, or 0 */
    unsigned char fold = h.split == GPT2 ? 0 : 0x20; /* GPT-2 takes small letters only */
    if (i + 1 >= n || b[i] != '\'') return 0;
    unsigned char one = b[i + 1] | fold, two = i + 2 < n ? b[i + 2] | fold : 0;
    if (one == 's' || one == 't' || one == 'm' || one == 'd') return 2;
    if ((two == 'e' && (one == 'r' || one == 'v')) || (one == 'l' && two == 'l')) return 3;
    return fold && i + 2 < n && b[i + 1] == 0xC5 && b[i + 2] == 0xBF ? 3 : 0; /* U+017F, long s, is an s too */
}

static size_t blanks_end(const unsigned char *b, size_t i, size_t n) { /* \s*[\r\n] | \s+(?!\S) | \s */
    size_t end = i, last = i, line_end = i;
    while (end < n) {
        Character c = character(b, end, n);
        if (!(BLANKS >> c.kind & 1)) break;
        last = end, end = c.end;
        if (c.kind == NEWLINE) line_end = end;
    }
    if (line_end > i && h.split != GPT2 && end < n) return line_end;
    return last > i && end < n ? last : end; /* the last blank belongs to what follows */
}

static size_t piece_end(const unsigned char *b, size_t i, size_t n) { /* the three patterns, without an engine */
    size_t ending = contraction(b, i, n);
    Character c = character(b, i, n);
    if (ending) return i + ending;
    if (LETTERS >> c.kind & 1) return run_end(b, c.end, n, LETTERS); /* \p{L}+ */
    if (c.kind == NUMBER) {
        if (h.split == GPT2) return run_end(b, c.end, n, NUMBERS); /* \p{N}+, else \p{N}{1,3} or \p{N} */
        for (int more = h.split == DIGITS ? 0 : 2; more && c.end < n; more--) {
            Character next = character(b, c.end, n);
            if (next.kind != NUMBER) break;
            c = next;
        }
        return c.end;
    }
    if (c.end < n && c.kind != NEWLINE && (h.split != GPT2 || b[i] == ' ')) {
        Character next = character(b, c.end, n);
        if (LETTERS >> next.kind & 1) return run_end(b, next.end, n, LETTERS); /* [^\r\n\p{L}\p{N}]?\p{L}+, or ' '? */
        if (next.kind == NUMBER && h.split == GPT2) return run_end(b, next.end, n, NUMBERS); /* ' '?\p{N}+ */
        if (b[i] == ' ' && OTHERS >> next.kind & 1) c = next;
    }
    if (!(OTHERS >> c.kind & 1)) return blanks_end(b, i, n);
    size_t end = run_end(b, c.end, n, OTHERS); /* ' '?[^\s\p{L}\p{N}]+, then [\r\n]* */
    while (h.split != GPT2 && end < n && (b[end] == '\n' || b[end] == '\r')) end++;
    return end;
}

static void sift(Candidate *heap, size_t n, size_t i) { /* down to its place; the smallest is on top */
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1].order < heap[child].order) child++;
        if (heap[i].order <= heap[child].order) return;
        Candidate up = heap[child];
        heap[child] = heap[i], heap[i] = up;
    }
}

static size_t offer(Candidate *heap, size_t n, uint32_t left, uint32_t right, size_t place) {
    uint32_t index = merge_table[slot(left, right)];
    if (!index) return n;
    heap[n] = (Candidate){(uint64_t)merges[4 * (index - 1) + 3] << 32 | place, index - 1};
    for (size_t i = n; i && heap[(i - 1) / 2].order > heap[i].order; i = (i - 1) / 2) {
        Candidate down = heap[(i - 1) / 2];
        heap[(i - 1) / 2] = heap[i], heap[i] = down;
    }
    return n + 1;
}

/* The ids of one piece: its bytes, a linked list, in which neighbours merge, the smallest rank first, the leftmost
   among equals. A heap finds it, so that a long piece takes n log n steps. */
static void merge_piece(const unsigned char *b, size_t n, Ids *ids) {
    uint32_t whole = h.whole_pieces ? find_token(b, n) : h.vocab;
    if (whole < h.vocab || n == 0) {
        if (n) push(ids, whole);
        return;
    }
    if (n > UINT32_MAX / 8) die("The text has a piece of %llu bytes, which is too long.", (unsigned long long)n);
    uint32_t *at = room_for(n, 4), *next = room_for(n, 4), *before = room_for(n, 4), end = (uint32_t)n;
    Candidate *heap = room_for(3 * (uint64_t)n, sizeof *heap);
    size_t waiting = 0;
    for (uint32_t i = 0; i < end; i++) {
        at[i] = byte_ids[b[i]], next[i] = i + 1, before[i] = i - 1; /* of the first: UINT32_MAX */
        if (at[i] == h.vocab) die("The tokenizer has no token for the byte 0x%02x. Leave the character out.", b[i]);
        if (i) waiting = offer(heap, waiting, at[i - 1], at[i], i - 1);
    }
    while (waiting) {
        const uint32_t *merge = merges + 4 * heap[0].merge, i = (uint32_t)heap[0].order, j = next[i];
        heap[0] = heap[--waiting];
        sift(heap, waiting, 0);
        if (at[i] != merge[0] || j == end || at[j] != merge[1]) continue; /* one of them has since merged elsewhere */
        at[i] = merge[2], at[j] = UINT32_MAX, next[i] = next[j];
        if (next[i] < end) {
            before[next[i]] = i;
            waiting = offer(heap, waiting, at[i], at[next[i]], i);
        }
        if (before[i] != UINT32_MAX) waiting = offer(heap, waiting, at[before[i]], at[i], before[i]);
    }
    for (uint32_t i = 0; i < end; i = next[i]) push(ids, at[i]);
    free(at), free(next), free(before), free(heap);
}

static void encode(const unsigned char *b, size_t n, Ids *ids) {
    for (size_t i = 0, end; i < n; i = end) {
        end = h.split == WHOLE ? n : h.split == CHARACTERS ? character(b, i, n).end : piece_end(b, i, n);
        if (h.split != CHARACTERS) {
            merge_piece(b + i, end - i, ids);
            continue;
        }
        uint32_t id = find_token(b + i, end - i);
        if (id == h.vocab) die("The model has no token for the character \"%.*s\". Leave it out.", (int)(end - i), b + i);
        push(ids, id);
    }
}

static void append(Ids *ids, const uint32_t *list) {
    for (uint32_t i = 1; i <= list[0]; i++) push(ids, list[i]);
}

/* ---- From scores to the next id -------------------------------------------------------------------- */

static struct { double temperature, top_p; uint32_t top_k, most; uint64_t seed; int ids; } asked = {0.8, 1, 0, 300, 0, 0};
typedef struct { float p; uint32_t id; } Likely;

static int more_likely(const void *a, const void *b) { /* the smaller id first among equals */
    const Likely *one = a, *two = b;
    return one->p != two->p ? (one->p < two->p ? 1 : -1) : (one->id > two->id) - (one->id < two->id);
}

static double uniform(void) { /* in [0, 1); splitmix64: Steele, Lea and Flood 2014 */
    uint64_t z = asked.seed += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (double)((z ^ z >> 31) >> 11) / 9007199254740992.0;
}

static void keep_likely(float *p) { /* top-k, then top-p of what is left: others get 0 */
    static Likely *sorted;
    if (!sorted) sorted = room_for(h.vocab, sizeof *sorted);
    for (uint32_t i = 0; i < h.vocab; i++) sorted[i] = (Likely){p[i], i};
    qsort(sorted, h.vocab, sizeof *sorted, more_likely);
    uint32_t kept = h.vocab;
    if (asked.top_k && asked.top_k < h.vocab) /* those as likely as the last one stay too */
        for (kept = asked.top_k; kept < h.vocab && sorted[kept].p == sorted[asked.top_k - 1].p;) kept++;
    double whole = 0, before = 0;
    for (uint32_t i = 0; i < kept; i++) whole += sorted[i].p;
    for (uint32_t i = 0; i < h.vocab; before += sorted[i++].p)
        if (i && (i >= kept || (asked.top_p < 1 && before >= asked.top_p * whole))) p[sorted[i].id] = 0;
}

static uint32_t choose(void) { /* the next id; logits become probabilities */
    uint32_t best = 0;
    for (uint32_t i = 1; i < h.vocab; i++)
        if (logits[i] > logits[best]) best = i;
    if (asked.temperature == 0) return best;
    double whole = 0, upto = 0, drawn = uniform();
    for (uint32_t i = 0; i < h.vocab; i++) logits[i] = (float)(logits[i] / asked.temperature);
    softmax(logits, h.vocab);
    if (!(logits[best] > 0)) die("The scores of the next token are no numbers: the weights are damaged, or diverged.");
    if (asked.top_k || asked.top_p < 1) keep_likely(logits);
    for (uint32_t i = 0; i < h.vocab; i++) whole += logits[i];
    for (uint32_t i = 0; i < h.vocab; i++)
        if ((upto += logits[i]) > drawn * whole) return i;
    return best;
}

static void show(uint32_t id, int screened) { /* screened: no control characters for the terminal */
    size_t n;
    const unsigned char *b = token(id, &n);
    if (asked.ids) printf("%u ", id);
    else
        for (size_t i = 0; i < n; i++) putchar(screened && b[i] < 32 && b[i] != '\n' && b[i] != '\t' ? '?' : b[i]);
    fflush(stdout);
}

/* ---- Continuing a text, and chat ------------------------------------------------------------------- */

static void go_on(Ids *text) { /* when the context is full, its second half is kept and read again */
    size_t start = text->n >= h.context ? text->n - (h.context - 1) : 0;
    for (uint32_t made = 0; made < asked.most; made++) {
        read_ids(text->at + start, text->n - start);
        uint32_t id = choose();
        push(text, id);
        show(id, 0);
        if (has(lists[STOP], id)) break;
        if (text->n - start == h.context) start = text->n - h.context / 2;
    }
    putchar('\n');
}

static void put_message(Ids *ids, enum List message, const Text *said, int closed) {
    Text framed = {0};
    append(ids, lists[message]);
    for (uint32_t i = 1; i <= lists[message + 1][0]; i++) add(&framed, (int)lists[message + 1][i]);
    for (size_t i = 0; i < said->n; i++) add(&framed, said->at[i]);
    encode(framed.at, framed.n, ids);
    if (closed) append(ids, lists[message + 2]);
    free(framed.at);
}

static void put_talk(Ids *ids, const Text *system, const Text *said, size_t first, size_t n) { /* user, reply, user ... */
    ids->n = 0;
    append(ids, lists[OPENING]);
    if (system->n) put_message(ids, SYSTEM_HEAD, system, 1);
    else append(ids, lists[DEFAULT_SYSTEM]);
    for (size_t i = first; i < n; i++) put_message(ids, i % 2 ? REPLY_HEAD : USER_HEAD, said + i, 1);
    put_message(ids, REPLY_HEAD, &(Text){0}, 0);
}

static void reply(Ids *ids, Text *said) {
    for (uint32_t made = 0; made < asked.most && ids->n < h.context; made++) {
        read_ids(ids->at, ids->n);
        uint32_t id = choose();
        size_t n;
        const unsigned char *b = token(id, &n);
        push(ids, id);
        show(id, 1);
        if (lists[CALL][0] == 2 && !asked.ids && has(lists[CALL], id)) /* it asks a tool, and here is none */
            fputs(id == lists[CALL][1] ? "[" : "?]", stdout);
        if (has(lists[REPLY_STOP], id)) break;
        for (size_t i = 0; i < n; i++) add(said, b[i]);
    }
    putchar('\n');
}

static int read_line(FILE *from, Text *line) { /* without blanks at its ends; 0 at the end of the file */
    int byte;
    line->n = 0;
    while ((byte = getc(from)) != EOF && byte != '\n')
        if (line->n || (byte > ' ' || byte < '\t')) add(line, byte);
    while (line->n && (line->at[line->n - 1] == ' ' || (line->at[line->n - 1] >= '\t' && line->at[line->n - 1] <= '\r')))
        line->n--;
    return byte != EOF || line->n;
}

static void chat(const Text *system) {
    Ids ids = {0};
    Text *said = NULL, line = {0};
    size_t n = 0, room = 0, kept = h.context - (asked.most < h.context / 2 ? asked.most : h.context / 2);
    for (fputs("> ", stderr); read_line(stdin, &line); fputs("> ", stderr)) {
        if (!line.n) continue;
        while (n + 2 > room) said = larger(said, &room, sizeof *said);
        said[n++] = line, line = (Text){0};
        for (size_t first = 0;; first += 2) { /* the oldest exchange goes first */
            put_talk(&ids, system, said, first, n);
            if (ids.n <= kept) break;
            if (first + 1 < n) continue;
            fprintf(stderr, "groundup: The message has %llu tokens, and %llu can be read. Shorten it.\n",
                    (unsigned long long)ids.n, (unsigned long long)kept);
            line = said[--n];
            break;
        }
        if (n % 2 == 0) continue;
        said[n] = (Text){0};
        reply(&ids, said + n++);
    }
}

/* ---- The command line ------------------------------------------------------------------------------ */

static const char usage[] =
    "groundup MODEL [options] [PROMPT]   continue a text\n"
    "  -c         chat: each line of standard input is a message    -S TEXT  what the assistant is told first\n"
    "  -t NUMBER  temperature (0.8; 0: the likeliest token, always)  -s N     seed: the same one, the same text\n"
    "  -k N       among the N likeliest tokens (0: all)              -p P     among those that hold this probability\n"
    "  -n N       most tokens to write (300)                         -f FILE  the prompt is in a file; -: standard input\n"
    "  -i         write ids, not text                                -r       the prompt is ids: \"12 5 7\"\n"
    "  -e         only encode: write the ids of the prompt           -l       only score: the logits after each token\n";

static double number(char option, const char *word, double least, double most) {
    char *end = NULL;
    double value = word ? strtod(word, &end) : 0;
    if (!word || end == word || *end || !(value >= least && value <= most))
        die("-%c needs a number from %g to %g, and has %s.", option, least, most, word ? word : "none");
    return value;
}

static void read_prompt(const char *path, Text *prompt) {
    FILE *file = strcmp(path, "-") ? fopen(path, "rb") : stdin;
    if (!file) die("%s cannot be read.", path);
    for (int byte; (byte = getc(file)) != EOF;) add(prompt, byte);
}

static void start(Ids *ids, Text *prompt, int raw) { /* the prompt as ids */
    add(prompt, 0);
    for (char *at = (char *)prompt->at, *end; raw && *(at += strspn(at, " \n")); at = end) {
        unsigned long id = strtoul(at, &end, 10);
        if (end == at || id >= h.vocab) die("The prompt has \"%.12s\", which is no id from 0 to %u.", at, h.vocab - 1);
        push(ids, (uint32_t)id);
    }
    if (!raw) append(ids, lists[BEFORE]), encode(prompt->at, prompt->n - 1, ids);
    if (!ids->n) append(ids, lists[EMPTY]);
}

int main(int n_words, char **words) {
    const char *model = NULL;
    Text prompt = {0}, system = {0};
    Ids ids = {0};
    char mode = 'g';
    int raw = 0, given = 0;
    asked.seed = (uint64_t)time(NULL);
    for (int i = 1; i < n_words; i++) {
        const char *word = words[i], option = word[0] == '-' && word[1] && !word[2] ? word[1] : 0;
        if (option == 'h') return fputs(usage, stdout), 0;
        if (option == 'c' || option == 'e' || option == 'l') mode = option;
        else if (option == 'i') asked.ids = 1;
        else if (option == 'r') raw = 1;
        else if (option == 't') asked.temperature = number(option, words[++i], 0, 1e6);
        else if (option == 'p') asked.top_p = number(option, words[++i], 1e-9, 1);
        else if (option == 'k') asked.top_k = (uint32_t)number(option, words[++i], 0, 1e9);
        else if (option == 'n') asked.most = (uint32_t)number(option, words[++i], 1, 1e9);
        else if (option == 's') asked.seed = (uint64_t)number(option, words[++i], 0, 9e15);
        else if (option == 'f' && words[i + 1]) read_prompt(words[++i], &prompt), given = 1;
        else if (option == 'S' && words[i + 1]) for (const char *at = words[++i]; *at; at++) add(&system, *at);
        else if (word[0] == '-' && word[1]) die("There is no option %s, or it lacks its value.\n%s", word, usage);
        else if (!model) model = word;
        else if (!given++) for (const char *at = word; *at; at++) add(&prompt, *at);
        else die("There are two prompts. Put one of them in quotation marks, \"like this\".");
    }
    if (!model) die("Which model?\n%s", usage);
    load(model);
    prepare_tokens();
    if (mode == 'c' && !h.chat) die("This model was never taught to chat. Without -c it continues a text.");
    if (mode == 'c') return chat(&system), 0;
    start(&ids, &prompt, raw);
    if (mode == 'g') {
        if (!asked.ids) fwrite(prompt.at, 1, raw ? 0 : prompt.n - 1, stdout);
        return go_on(&ids), 0;
    }
    if (mode == 'l' && ids.n > h.context) die("The prompt has %llu tokens, and the model reads %u.", (unsigned long long)ids.n, h.context);
    for (size_t i = 0; i < ids.n; i++) {
        if (mode == 'e') printf("%u ", ids.at[i]);
        else read_ids(ids.at, i + 1);
        for (uint32_t v = 0; v < h.vocab && mode == 'l'; v++) printf("%.9g%c", (double)logits[v], v + 1 < h.vocab ? ' ' : '\n');
    }
    if (mode == 'e') putchar('\n');
    return 0;
}
