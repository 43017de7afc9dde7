/* groundup.c: a language model in one file of C: text to tokens, tokens through the transformer, tokens to text.
   C99, and of POSIX only what maps a file into memory.

       cc -O3 -march=native groundup.c -lm -o groundup
       ./groundup model.bin "Once upon a time"     continue a text; the prompt may be empty
       ./groundup model.bin -c                     chat: each line of standard input is a message
       ./groundup -h                               every option

   Written by `groundup export c`, for any model that groundup trains: rotary or learned positions, RMSNorm or
   LayerNorm, SwiGLU, GELU or squared ReLU, grouped heads, QK-norm, biases, tied embeddings; characters or byte pairs.
   In float32 and with -t 0 it writes the tokens that groundup writes. Nothing that a user types can become a control
   token: text only ever goes through `encode`, which knows none.

   model.bin, little-endian; every part begins at a multiple of 4 bytes:

       struct Header         below: what the model is, and how long each part is
       u32 ends[vocab]       where the bytes of each token end; a control token has none
       u8  bytes[]           the bytes of all tokens, joined, up to a multiple of 4
       u32 merges[][4]       left, right, made, rank: two neighbours become one, the smallest rank first; sorted
       u32 classes[]         first code point << 3 | class, for each run of Unicode characters of one class
       u32 lists[][1 + n]    a count, then ids: see enum List
       f32 tensors[]         embedding [vocab, embd]; learned positions [context, embd]; for each layer:
                             norm, qkv (queries above keys above values), q_norm, k_norm, out, norm,
                             gate above up (SwiGLU) or up, down; the last norm; the head, if it is not tied.
                             A matrix is row after row, one row an output; its bias follows it.
                             As int8 (dtype 1) a matrix has, for every 32 numbers of a row, an f32 scale (all scales
                             first), then the numbers: number = scale * int8. Only matrices, and the embedding.

   Not here: tools (a reply ends where the model asks for one); threads; reading a prompt many tokens at a time; a
   heap for the merges, so that a piece of n letters without a blank takes n * n steps.

   Read `forward` first, then what it calls, then `encode`, `choose` and `go_on`. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum Norm { RMS, LAYER };
enum Position { NO_POSITION, LEARNED, ROTARY };
enum Activation { SWIGLU, GELU, GELU_ERF, RELU2 };
enum Dtype { F32, INT8 };
enum Split { CHARACTERS, WHOLE, GPT2, SMOLLM, CL100K, LLAMA3, DIGITS, QWEN2 }; /* how text is cut before merging */
enum List { /* the ids that have a place of their own; a message is HEAD, encode(FRAME text), TAIL */
    BEFORE, EMPTY, STOP, /* before every text; instead of an empty one; what ends one */
    OPENING, DEFAULT_SYSTEM, SYSTEM_HEAD, SYSTEM_FRAME, SYSTEM_TAIL, USER_HEAD, USER_FRAME, USER_TAIL,
    REPLY_HEAD, REPLY_FRAME, REPLY_TAIL, REPLY_STOP, CALL, LISTS /* a FRAME holds bytes; CALL: call, result */
};

typedef struct {
    char magic[8];   /* "groundup" */
    uint64_t length; /* of the file, bytes */
    double norm_eps, rope_theta;
    uint32_t version; /* 1 */
    uint32_t vocab, context, layers, heads, kv_heads, head_dim, embd, hidden;
    uint32_t norm, position, activation, dtype;   /* the enums above */
    uint32_t tied, qk_norm, bias, qkv_bias, chat; /* 0 or 1 */
    uint32_t split, whole_pieces;                 /* enum Split; 1: a piece that is a token is that token */
    uint32_t bytes, merges, classes, list_words;  /* how long these parts are; bytes without their filling */
} Header;

typedef struct { const float *f32, *scale, *bias; const int8_t *int8; uint32_t rows, columns; } Matrix;
typedef struct { const float *gain, *bias; } Gain;
typedef struct { Gain norm, q_norm, k_norm, mlp_norm; Matrix qkv, out, up, down; } Layer;
typedef struct { uint32_t left, right, made, rank; } Merge;
typedef struct { uint32_t *at; size_t n, room; } Ids;
typedef struct { unsigned char *at; size_t n, room; } Text;

static Header h;
static const uint32_t *token_ends, *classes, *lists[LISTS]; /* lists[k][0] ids, from lists[k][1] on */
static const unsigned char *token_bytes;
static const Merge *merges;
static uint32_t byte_ids[256];
static Matrix embedding, head;
static const float *positions;
static Layer *layers;
static Gain last_norm;
static float *x, *y, *qkv, *mixed, *wide, *scores, *logits; /* activations */
static int16_t *narrow;                                     /* the same in 16 bits, to meet int8 weights */
static float *narrow_scale, *cosines, *sines;
static float *keys, *values; /* the past: [layer][position][kv_heads * head_dim] */
static Ids seen;             /* whose keys and values these are */

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

static void push_list(Ids *ids, const uint32_t *list) {
    for (uint32_t i = 1; i <= list[0]; i++) push(ids, list[i]);
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

/* ---- The file ---------------------------------------------------------------------------------------------- */

static const unsigned char *cursor, *file_end;

static const void *take(uint64_t count, size_t size) { /* the next part of the file; never beyond its end */
    const void *part = cursor;
    if (count > (uint64_t)(file_end - cursor) / size) die("The model file is damaged: its parts do not fit into it.");
    cursor += count * size;
    return part;
}

static Matrix take_matrix(uint64_t rows, uint32_t columns, uint32_t bias) {
    Matrix made = {0};
    made.rows = (uint32_t)rows, made.columns = columns;
    if (h.dtype == INT8) {
        made.scale = take(rows * (columns / 32), 4);
        made.int8 = take(rows * columns, 1);
    } else {
        made.f32 = take(rows * columns, 4);
    }
    if (bias) made.bias = take(rows, 4);
    return made;
}

static Gain take_norm(void) {
    Gain made;
    made.gain = take(h.embd, 4);
    made.bias = h.norm == LAYER && h.bias ? take(h.embd, 4) : NULL;
    return made;
}

static void check_header(const char *path, uint64_t size) {
    if (memcmp(h.magic, "groundup", 8)) die("%s is no model file of `groundup export c`.", path);
    if (h.version != 1) die("%s has version %u, and this program reads 1. Export it again.", path, h.version);
    if (h.length != size)
        die("%s has %llu bytes and should have %llu: it was cut short or altered. Copy it again.", path,
            (unsigned long long)size, (unsigned long long)h.length);
    int sizes = h.vocab >= 1 && h.vocab <= 1 << 24 && h.context >= 2 && h.context <= 1 << 20 && h.layers >= 1 &&
                h.layers <= 1 << 10 && h.heads >= 1 && h.heads <= 1 << 12 && h.head_dim >= 1 && h.head_dim <= 1 << 12 &&
                h.embd >= 1 && h.embd <= 1 << 17 && h.hidden >= 1 && h.hidden <= 1 << 19;
    int shares = h.kv_heads >= 1 && h.heads % h.kv_heads == 0;
    int pairs = h.position != ROTARY || h.head_dim % 2 == 0;
    int groups = h.dtype == F32 || (h.embd % 32 == 0 && h.hidden % 32 == 0 && h.heads * h.head_dim % 32 == 0);
    int known = h.norm <= LAYER && h.position <= ROTARY && h.activation <= RELU2 && h.dtype <= INT8 && h.split <= QWEN2;
    int numbers = h.norm_eps >= 0 && h.norm_eps < 1 && h.rope_theta > 0 && h.rope_theta < 1e30;
    if (!(sizes && shares && pairs && groups && known && numbers))
        die("The head of %s asks for what this program cannot do: it is damaged. Copy it again.", path);
}

static void take_tokens(void) {
    uint32_t used = 0, end = 0;
    token_ends = take(h.vocab, 4);
    token_bytes = take((h.bytes + (uint64_t)3) / 4, 4);
    merges = take(h.merges, sizeof *merges);
    classes = take(h.classes, 4);
    for (uint32_t id = 0; id < h.vocab; end = token_ends[id++])
        if (token_ends[id] < end || token_ends[id] > h.bytes) die("The model file is damaged in token %u.", id);
    for (uint32_t i = 0; i < h.merges; i++)
        if (merges[i].left >= h.vocab || merges[i].right >= h.vocab || merges[i].made >= h.vocab)
            die("The model file is damaged in merge %u.", i);
    for (uint32_t i = 0; i < h.classes; i++)
        if (i ? classes[i] >> 3 <= classes[i - 1] >> 3 : classes[i] >> 3)
            die("The model file is damaged in its characters.");
    if (h.split >= GPT2 && !h.classes) die("The model file is damaged: it has no table of characters.");
    const uint32_t *at = take(h.list_words, 4);
    for (int k = 0; k < LISTS; k++, used += 1 + at[used]) {
        if (used >= h.list_words || at[used] >= h.list_words - used) die("The model file is damaged in its lists.");
        uint32_t most = k == SYSTEM_FRAME || k == USER_FRAME || k == REPLY_FRAME ? 256 : h.vocab;
        for (uint32_t i = 1; i <= at[used]; i++)
            if (at[used + i] >= most) die("The model file is damaged in list %d.", k);
        lists[k] = at + used;
    }
    if (used != h.list_words || lists[EMPTY][0] != 1) die("The model file is damaged in its lists.");
}

static const unsigned char *token(uint32_t id, size_t *n) { /* its n bytes */
    uint32_t start = id ? token_ends[id - 1] : 0;
    *n = token_ends[id] - start;
    return token_bytes + start;
}

static uint32_t find_token(const unsigned char *b, size_t n) { /* the id of these bytes, h.vocab if there is none */
    for (uint32_t id = 0; id < h.vocab; id++) {
        size_t length;
        const unsigned char *bytes = token(id, &length);
        if (length == n && !memcmp(bytes, b, n)) return id;
    }
    return h.vocab;
}

static void take_tensors(void) {
    uint32_t queries = h.heads * h.head_dim, pairs = h.kv_heads * h.head_dim;
    uint64_t qkv_rows = queries + 2 * (uint64_t)pairs, up_rows = (h.activation == SWIGLU ? 2 : 1) * (uint64_t)h.hidden;
    embedding = take_matrix(h.vocab, h.embd, 0);
    if (h.position == LEARNED) positions = take((uint64_t)h.context * h.embd, 4);
    layers = room_for(h.layers, sizeof *layers);
    for (Layer *l = layers; l < layers + h.layers; l++) {
        l->norm = take_norm();
        l->qkv = take_matrix(qkv_rows, h.embd, h.qkv_bias);
        if (h.qk_norm) l->q_norm.gain = take(h.head_dim, 4), l->k_norm.gain = take(h.head_dim, 4);
        l->out = take_matrix(h.embd, queries, h.bias);
        l->mlp_norm = take_norm();
        l->up = take_matrix(up_rows, h.embd, h.bias);
        l->down = take_matrix(h.embd, h.hidden, h.bias);
    }
    last_norm = take_norm();
    head = h.tied ? embedding : take_matrix(h.vocab, h.embd, 0);
    if (cursor != file_end) die("The model file is damaged: it is longer than its parts.");

    uint64_t past = (uint64_t)h.layers * h.context * pairs, widest = (uint64_t)h.embd + h.hidden + queries;
    x = room_for(h.embd, 4), y = room_for(h.embd, 4), mixed = room_for(queries, 4), qkv = room_for(qkv_rows, 4);
    wide = room_for(up_rows, 4), scores = room_for(h.context, 4), logits = room_for(h.vocab, 4);
    narrow = room_for(widest, 2), narrow_scale = room_for(widest, 4);
    keys = room_for(past, 4), values = room_for(past, 4);
    cosines = room_for(h.head_dim, 4), sines = room_for(h.head_dim, 4);
}

static void load(const char *path) { /* mapped, not copied: it starts at once, and the system keeps it for next time */
    int file = open(path, O_RDONLY);
    off_t size = file < 0 ? -1 : lseek(file, 0, SEEK_END);
    if (size < 0) die("%s cannot be read.", path);
    if (size < (off_t)sizeof h) die("%s is no model file of `groundup export c`.", path);
    const unsigned char *all = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, file, 0);
    if (all == MAP_FAILED) die("%s cannot be read.", path);
    close(file);
    memcpy(&h, all, sizeof h);
    check_header(path, (uint64_t)size);
    cursor = all + sizeof h, file_end = all + size;
    take_tokens();
    take_tensors();
    for (int byte = 0; byte < 256; byte++) byte_ids[byte] = find_token((unsigned char[]){(unsigned char)byte}, 1);
}

/* ---- The transformer: one token in, the scores of the next one out ----------------------------------------- */

static float dot(const float *a, const float *b, uint32_t n) { /* 16 sums, so that wide registers can be used */
    float sums[16] = {0}, sum = 0;
    for (; n >= 16; n -= 16, a += 16, b += 16)
        for (int j = 0; j < 16; j++) sums[j] += a[j] * b[j];
    for (int j = 0; j < 16; j++) sum += sums[j];
    while (n--) sum += *a++ * *b++;
    return sum;
}

/* Weights of 8 bits meet activations of 16, which lose next to nothing: 32 products still fit into an int32, and
   processors multiply pairs of int16 as fast as pairs of int8. */
static float dot_int8(const int8_t *a, const float *scale, const int16_t *b, const float *b_scale, uint32_t n) {
    float sum = 0;
    for (uint32_t k = 0; k < n / 32; k++, a += 32, b += 32) {
        int32_t group = 0;
        for (int j = 0; j < 32; j++) group += a[j] * b[j];
        sum += scale[k] * b_scale[k] * (float)group;
    }
    return sum;
}

static void make_narrow(const float *in, uint32_t n) { /* in groups of 32, the largest of each being 32767 */
    for (uint32_t k = 0; k < n / 32; k++, in += 32) {
        float most = 1e-30f;
        for (int j = 0; j < 32; j++) most = fabsf(in[j]) > most ? fabsf(in[j]) : most;
        narrow_scale[k] = most / 32767;
        for (int j = 0; j < 32; j++) narrow[32 * k + (uint32_t)j] = (int16_t)lrintf(in[j] / most * 32767);
    }
}

static void multiply(float *out, const Matrix *m, const float *in) { /* out = m in + bias: nearly all of the time */
    uint32_t n = m->columns;
    if (m->int8) make_narrow(in, n);
    for (uint32_t r = 0; r < m->rows; r++) {
        size_t at = (size_t)r * n;
        if (m->int8) out[r] = dot_int8(m->int8 + at, m->scale + at / 32, narrow, narrow_scale, n);
        else out[r] = dot(m->f32 + at, in, n);
        if (m->bias) out[r] += m->bias[r];
    }
}

static void normalise(float *out, const float *in, Gain norm, uint32_t n, uint32_t kind) {
    double mean = 0, squares = 0;
    for (uint32_t i = 0; i < n && kind == LAYER; i++) mean += in[i] / (double)n; /* RMSNorm takes it to be 0 */
    for (uint32_t i = 0; i < n; i++) squares += (in[i] - mean) * (in[i] - mean);
    double scale = 1 / sqrt(squares / n + h.norm_eps);
    for (uint32_t i = 0; i < n; i++)
        out[i] = (float)((in[i] - mean) * scale) * norm.gain[i] + (norm.bias ? norm.bias[i] : 0);
}

static void rotate(float *at) { /* channel i is paired with channel i + head_dim/2 */
    uint32_t half = h.head_dim / 2;
    for (uint32_t i = 0; i < half; i++) {
        float a = at[i], b = at[i + half];
        at[i] = a * cosines[i] - b * sines[i];
        at[i + half] = b * cosines[i] + a * sines[i];
    }
}

static void softmax(float *at, uint32_t n) {
    float most = at[0], sum = 0;
    for (uint32_t i = 1; i < n; i++)
        if (at[i] > most) most = at[i];
    for (uint32_t i = 0; i < n; i++) sum += at[i] = expf(at[i] - most);
    for (uint32_t i = 0; i < n; i++) at[i] /= sum;
}

static void attend(const Layer *l, size_t layer, uint32_t position) { /* mixed = what each head looked up */
    uint32_t D = h.head_dim, width = h.kv_heads * D, sharing = h.heads / h.kv_heads;
    float *k = keys + layer * h.context * width, *v = values + layer * h.context * width;
    for (uint32_t i = 0; i < h.heads + h.kv_heads; i++) { /* the heads of the queries, then those of the keys */
        float *at = qkv + i * D;
        if (h.qk_norm) normalise(at, at, i < h.heads ? l->q_norm : l->k_norm, D, RMS);
        if (h.position == ROTARY) rotate(at);
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

static void activate(float *at) { /* the feed-forward's non-linearity, in place */
    for (uint32_t i = 0; i < h.hidden; i++) {
        float z = at[i];
        if (h.activation == SWIGLU) at[i] = z / (1 + expf(-z)) * at[h.hidden + i];
        else if (h.activation == GELU) at[i] = 0.5f * z * (1 + tanhf(0.7978845608f * (z + 0.044715f * z * z * z)));
        else if (h.activation == GELU_ERF) at[i] = 0.5f * z * (1 + erff(z * 0.7071067812f));
        else at[i] = z > 0 ? z * z : 0;
    }
}

static void forward(uint32_t id, uint32_t position, int score) {
    size_t row = (size_t)id * h.embd;
    for (uint32_t i = 0; i < h.embd; i++) {
        x[i] = embedding.f32 ? embedding.f32[row + i] : embedding.scale[(row + i) / 32] * embedding.int8[row + i];
        if (positions) x[i] += positions[(size_t)position * h.embd + i];
    }
    for (uint32_t i = 0; i < h.head_dim / 2; i++) { /* by how much each pair of channels turns here */
        double angle = position * pow(h.rope_theta, -2.0 * i / h.head_dim);
        cosines[i] = (float)cos(angle), sines[i] = (float)sin(angle);
    }
    for (uint32_t n = 0; n < h.layers; n++) {
        const Layer *l = layers + n;
        normalise(y, x, l->norm, h.embd, h.norm);
        multiply(qkv, &l->qkv, y);
        attend(l, n, position);
        multiply(y, &l->out, mixed);
        for (uint32_t i = 0; i < h.embd; i++) x[i] += y[i];
        normalise(y, x, l->mlp_norm, h.embd, h.norm);
        multiply(wide, &l->up, y);
        activate(wide);
        multiply(y, &l->down, wide);
        for (uint32_t i = 0; i < h.embd; i++) x[i] += y[i];
    }
    if (!score) return; /* inside a prompt nobody asks what comes next */
    normalise(y, x, last_norm, h.embd, h.norm);
    multiply(logits, &head, y);
}

static void read_ids(const uint32_t *ids, size_t n) { /* logits after the last id; a known beginning is kept */
    size_t same = 0;
    while (same < seen.n && same + 1 < n && seen.at[same] == ids[same]) same++;
    for (seen.n = same; seen.n < n; push(&seen, ids[seen.n])) forward(ids[seen.n], (uint32_t)seen.n, seen.n + 1 == n);
}

/* ---- Text to ids ------------------------------------------------------------------------------------------- */

enum Class { OTHER, UPPER, LOWER, LETTER, MARK, NUMBER, SPACE, NEWLINE }; /* of a character, in Unicode 16 */
enum {
    LETTERS = 1 << UPPER | 1 << LOWER | 1 << LETTER,
    NUMBERS = 1 << NUMBER,
    BLANKS = 1 << SPACE | 1 << NEWLINE,
    OTHERS = 1 << OTHER | 1 << MARK
};
typedef struct { int kind; size_t end; } Character;

static int compare_pairs(const void *a, const void *b) {
    const Merge *one = a, *two = b;
    if (one->left != two->left) return one->left < two->left ? -1 : 1;
    return (one->right > two->right) - (one->right < two->right);
}

static const Merge *find_merge(uint32_t left, uint32_t right) { /* NULL if these two never merge */
    return bsearch(&(Merge){left, right, 0, 0}, merges, h.merges, sizeof *merges, compare_pairs);
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

static size_t run_end(const unsigned char *b, size_t i, size_t n, int kinds, size_t most) { /* most: characters */
    for (Character c; most && i < n && (c = character(b, i, n), kinds >> c.kind & 1); most--) i = c.end;
    return i;
}

static size_t contraction(const unsigned char *b, size_t i, size_t n) { /* bytes of 's 't 'm 'd 're 've 'll, or 0 */
    unsigned char fold = h.split <= SMOLLM ? 0 : 0x20; /* GPT-2 takes small letters only */
    if (i + 1 >= n || b[i] != '\'') return 0;
    unsigned char one = b[i + 1] | fold, two = i + 2 < n ? b[i + 2] | fold : 0;
    if (one == 's' || one == 't' || one == 'm' || one == 'd') return 2;
    if ((two == 'e' && (one == 'r' || one == 'v')) || (one == 'l' && two == 'l')) return 3;
    return fold && i + 2 < n && b[i + 1] == 0xC5 && b[i + 2] == 0xBF ? 3 : 0; /* U+017F, long s, is an s too */
}

static size_t blanks_end(const unsigned char *b, size_t i, size_t n) { /* \s*[\r\n] | \s+(?!\S) | \s */
    size_t end = i, last = i, line_end = i;
    Character c = {OTHER, i};
    for (; end < n && (c = character(b, end, n), BLANKS >> c.kind & 1); end = c.end) {
        last = end;
        if (c.kind == NEWLINE) line_end = c.end;
    }
    if (h.split > SMOLLM && line_end > i && (end < n || h.split == LLAMA3 || h.split == QWEN2)) return line_end;
    if (end == n || last == i || (h.split == SMOLLM && c.kind == NUMBER)) return end;
    return last; /* the last blank belongs to what follows */
}

static size_t piece_end(const unsigned char *b, size_t i, size_t n) { /* the split patterns, without an engine */
    size_t ending = contraction(b, i, n), digits = h.split == CL100K || h.split == LLAMA3 ? 3 : h.split == GPT2 ? n : 1;
    Character c = character(b, i, n);
    if (ending) return i + ending;
    if (LETTERS >> c.kind & 1) return run_end(b, i, n, LETTERS, n);    /* \p{L}+ */
    if (c.kind == NUMBER) return run_end(b, i, n, NUMBERS, digits);    /* \p{N}+, \p{N}{1,3} or \p{N} */
    if (c.end < n && c.kind != NEWLINE && (h.split > SMOLLM || b[i] == ' ')) {
        Character next = character(b, c.end, n);
        if (LETTERS >> next.kind & 1) return run_end(b, c.end, n, LETTERS, n); /* [^\r\n\p{L}\p{N}]?\p{L}+, ' '? */
        if (next.kind == NUMBER && h.split == GPT2) return run_end(b, c.end, n, NUMBERS, n); /* ' '?\p{N}+ */
        if (b[i] == ' ' && OTHERS >> next.kind & 1) c = next;
    }
    if (!(OTHERS >> c.kind & 1)) return blanks_end(b, i, n);
    size_t end = run_end(b, c.end, n, OTHERS, n); /* ' '?[^\s\p{L}\p{N}]+, then [\r\n]* */
    while (h.split > SMOLLM && end < n && (b[end] == '\n' || b[end] == '\r')) end++;
    return end;
}

static void encode_piece(const unsigned char *b, size_t n, Ids *ids) { /* its bytes, of which neighbours merge */
    size_t first = ids->n, best_at = 0;
    uint32_t whole = h.whole_pieces ? find_token(b, n) : h.vocab;
    if (whole < h.vocab) {
        push(ids, whole);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (byte_ids[b[i]] == h.vocab) die("The tokenizer has no token for the byte 0x%02x. Leave it out.", b[i]);
        push(ids, byte_ids[b[i]]);
    }
    for (;;) { /* the smallest rank first, the leftmost among equals */
        const Merge *best = NULL, *merge;
        for (size_t i = first; i + 1 < ids->n; i++)
            if ((merge = find_merge(ids->at[i], ids->at[i + 1])) && (!best || merge->rank < best->rank))
                best = merge, best_at = i;
        if (!best) return;
        uint32_t *left = ids->at + best_at;
        *left = best->made;
        memmove(left + 1, left + 2, (--ids->n - best_at - 1) * sizeof *left);
    }
}

static void encode(const unsigned char *b, size_t n, Ids *ids) {
    for (size_t i = 0, end; i < n; i = end) {
        end = h.split == WHOLE ? n : h.split == CHARACTERS ? character(b, i, n).end : piece_end(b, i, n);
        if (h.split != CHARACTERS) {
            encode_piece(b + i, end - i, ids);
            continue;
        }
        uint32_t id = find_token(b + i, end - i);
        if (id == h.vocab)
            die("The model has no token for the character \"%.*s\". Leave it out.", (int)(end - i), b + i);
        push(ids, id);
    }
}

/* ---- From scores to the next id ---------------------------------------------------------------------------- */

static struct { double temperature, top_p; uint32_t top_k, most; int ids; } asked = {0.8, 1, 0, 300, 0};
static uint64_t seed;
typedef struct { float p; uint32_t id; } Likely;

static int more_likely(const void *a, const void *b) { /* the smaller id first among equals */
    const Likely *one = a, *two = b;
    return one->p != two->p ? (one->p < two->p ? 1 : -1) : (one->id > two->id) - (one->id < two->id);
}

static double uniform(void) { /* in [0, 1); splitmix64: Steele, Lea and Flood 2014 */
    uint64_t z = seed += 0x9E3779B97F4A7C15u;
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
    if (!isfinite(logits[best])) die("The scores of the next token are no numbers: the weights are damaged.");
    if (asked.temperature == 0) return best;
    double whole = 0, upto = 0, drawn = uniform();
    for (uint32_t i = 0; i < h.vocab; i++) logits[i] = (float)(logits[i] / asked.temperature);
    softmax(logits, h.vocab);
    if (asked.top_k || asked.top_p < 1) keep_likely(logits);
    for (uint32_t i = 0; i < h.vocab; i++) whole += logits[i];
    for (uint32_t i = 0; i < h.vocab; i++)
        if ((upto += logits[i]) > drawn * whole) return i;
    return best;
}

static void show(uint32_t id, int in_chat) { /* there without control characters, which a terminal would obey */
    size_t n;
    const unsigned char *b = token(id, &n);
    if (asked.ids) printf("%u ", id);
    else if (in_chat && lists[CALL][0] == 2 && has(lists[CALL], id)) /* it asks a tool, and here is none */
        fputs(id == lists[CALL][1] ? "[" : "?]", stdout);
    for (size_t i = 0; i < n && !asked.ids; i++)
        putchar(in_chat && b[i] < 32 && b[i] != '\n' && b[i] != '\t' ? '?' : b[i]);
    fflush(stdout);
}

/* ---- Continuing a text, and chat --------------------------------------------------------------------------- */

static void go_on(Ids *ids, Text *reply) { /* until a stop; a reply ends with the context, any other text goes on */
    const uint32_t *stops = lists[reply ? REPLY_STOP : STOP];
    size_t n, start = ids->n >= h.context ? ids->n - (h.context - 1) : 0;
    if (start)
        fprintf(stderr, "groundup: The prompt has %llu tokens, and the model reads %u. Only the end of it is read.\n",
                (unsigned long long)ids->n, h.context - 1);
    for (uint32_t made = 0; made < asked.most; made++) {
        if (ids->n - start == h.context) {
            if (reply) break;
            start = ids->n - h.context / 2; /* the second half is kept, and read again */
        }
        read_ids(ids->at + start, ids->n - start);
        uint32_t id = choose();
        push(ids, id);
        show(id, reply != NULL);
        if (has(stops, id)) break;
        const unsigned char *b = token(id, &n);
        for (size_t i = 0; reply && i < n; i++) add(reply, b[i]);
    }
    putchar('\n');
}

static void put_message(Ids *ids, enum List message, const Text *said, int closed) {
    Text framed = {0};
    push_list(ids, lists[message]);
    for (uint32_t i = 1; i <= lists[message + 1][0]; i++) add(&framed, (int)lists[message + 1][i]);
    for (size_t i = 0; i < said->n; i++) add(&framed, said->at[i]);
    encode(framed.at, framed.n, ids);
    if (closed) push_list(ids, lists[message + 2]);
    free(framed.at);
}

static void put_talk(Ids *ids, const Text *system, const Text *said, size_t first, size_t n) { /* user, reply, ... */
    ids->n = 0;
    push_list(ids, lists[OPENING]);
    if (system->n) put_message(ids, SYSTEM_HEAD, system, 1);
    else push_list(ids, lists[DEFAULT_SYSTEM]);
    for (size_t i = first; i < n; i++) put_message(ids, i % 2 ? REPLY_HEAD : USER_HEAD, said + i, 1);
    put_message(ids, REPLY_HEAD, &(Text){0}, 0);
}

static int is_blank(int byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r'); }

static int read_line(FILE *from, Text *line) { /* without blanks at its ends; 0 at the end of the file */
    int byte;
    for (line->n = 0; (byte = getc(from)) != EOF && byte != '\n';)
        if (line->n || !is_blank(byte)) add(line, byte);
    while (line->n && is_blank(line->at[line->n - 1])) line->n--;
    return byte != EOF || line->n;
}

static void chat(const Text *system) {
    Ids ids = {0};
    Text *said = NULL, line = {0};
    size_t n = 0, room = 0, most = h.context - (asked.most < h.context / 2 ? asked.most : h.context / 2);
    for (fputs("> ", stderr); read_line(stdin, &line); fputs("> ", stderr)) {
        if (!line.n) continue;
        while (n + 2 > room) said = larger(said, &room, sizeof *said);
        said[n] = line;
        for (size_t first = 0; first <= n; first += 2) { /* the oldest exchange is forgotten first */
            put_talk(&ids, system, said, first, n + 1);
            if (ids.n <= most) break;
        }
        if (ids.n > most) {
            fprintf(stderr, "groundup: The message has %llu tokens, and %llu can be read. Shorten it.\n",
                    (unsigned long long)ids.n, (unsigned long long)most);
            continue;
        }
        said[n + 1] = line = (Text){0};
        go_on(&ids, said + n + 1);
        n += 2;
    }
}

/* ---- The command line -------------------------------------------------------------------------------------- */

static const char usage[] =
    "groundup MODEL [options] [PROMPT]   continue a text; PROMPT - is standard input\n"
    "  -c         chat: each line of standard input is a message     -S TEXT  what the assistant is told first\n"
    "  -t NUMBER  temperature (0.8; 0: the likeliest token, always)  -s N     seed: the same one, the same text\n"
    "  -k N       among the N likeliest tokens (0: all)              -p P     among those that hold this probability\n"
    "  -n N       most tokens to write (300)\n"
    "  -i         write ids, not text, those of the prompt first\n";

static double number(char option, const char *word, double least, double most) {
    char *end = NULL;
    double value = word ? strtod(word, &end) : 0;
    if (!word || end == word || *end || !(value >= least && value <= most))
        die("-%c needs a number from %g to %g, and has %s.", option, least, most, word ? word : "none");
    return value;
}

int main(int n_words, char **words) {
    const char *model = NULL, *given = NULL, *told = "";
    Text prompt = {0}, system = {0};
    Ids ids = {0};
    int talk = 0;
    seed = (uint64_t)time(NULL);
    for (int i = 1; i < n_words; i++) {
        const char *word = words[i], option = word[0] == '-' && word[1] && !word[2] ? word[1] : 0;
        if (option == 'h') return fputs(usage, stdout), 0;
        if (option == 'c') talk = 1;
        else if (option == 'i') asked.ids = 1;
        else if (option == 't') asked.temperature = number(option, words[++i], 0, 1e6);
        else if (option == 'p') asked.top_p = number(option, words[++i], 1e-9, 1);
        else if (option == 'k') asked.top_k = (uint32_t)number(option, words[++i], 0, 1e9);
        else if (option == 'n') asked.most = (uint32_t)number(option, words[++i], 0, 1e9);
        else if (option == 's') seed = (uint64_t)number(option, words[++i], 0, 9e15);
        else if (option == 'S' && words[i + 1]) told = words[++i];
        else if (word[0] == '-' && word[1]) die("There is no option %s, or it lacks its value.\n%s", word, usage);
        else if (!model) model = word;
        else if (!given) given = word;
        else die("There are two prompts. Put one of them in quotation marks, \"like this\".");
    }
    if (!model) die("Which model?\n%s", usage);
    if (talk && given) die("A chat reads its messages from standard input, a line each, and takes no prompt.");
    load(model);
    if (talk) {
        if (!h.chat) die("This model was never taught to chat. Without -c it continues a text.");
        while (*told) add(&system, *told++);
        return chat(&system), 0;
    }
    if (given && !strcmp(given, "-"))
        for (int byte; (byte = getchar()) != EOF;) add(&prompt, byte);
    else
        while (given && *given) add(&prompt, *given++);
    push_list(&ids, lists[BEFORE]);
    encode(prompt.at, prompt.n, &ids);
    if (!ids.n) push_list(&ids, lists[EMPTY]);
    if (!asked.ids && prompt.n) fwrite(prompt.at, 1, prompt.n, stdout);
    for (size_t i = 0; asked.ids && i < ids.n; i++) show(ids.at[i], 0);
    return go_on(&ids, NULL), 0;
}
