/* One round of trimming a graph of AND gates, 64 samples a word: see trim_gates.py, which has the
   same in Python, and whose choices these are, tie for tie.

   A literal is twice a variable, plus one where it is inverted; operands stand before their gates.
   Slot 2 v is the left operand of gate v, slot 2 v + 1 the right one; the slots that read a
   variable are chained, those of dead gates among them. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { INSIDE = 8 };
#define NEVER INT64_MAX

typedef struct {
    int first, total, words, outputs;
    int32_t *operand, *output, *count, *head, *next, *list, *stack, *used;
    uint64_t *value, *bad, *right, *worse, *better, *due;
    const uint64_t *wanted, *full;
    int64_t *more, correct, whole;
    unsigned char *alive, *wrong, *inside;
    int changed;
    int32_t *changes;
} Graph;

static int sized(uint64_t x) { return __builtin_popcountll(x); }

static int release(Graph *g, int v, int32_t *list)
{
    int freed = 0, waiting = 0;
    g->stack[waiting++] = v;
    while (waiting) {
        int x = g->stack[--waiting];
        list[freed++] = x;
        for (int side = 0; side < 2; side++) {
            int y = g->operand[2 * x + side] >> 1;
            if (!--g->count[y] && y >= g->first) g->stack[waiting++] = y;
        }
    }
    return freed;
}

/* How many gates nobody reads any more when v gives way to a literal; they go into the list. */
static int fall(Graph *g, int v, int literal, int32_t *list)
{
    g->count[literal >> 1]++;
    int freed = release(g, v, list);
    for (int i = 0; i < freed; i++)
        for (int side = 0; side < 2; side++) g->count[g->operand[2 * list[i] + side] >> 1]++;
    g->count[literal >> 1]--;
    return freed;
}

static const uint64_t *row(const Graph *g, int variable)
{
    return (g->wrong[variable] ? g->bad : g->value) + (size_t)variable * g->words;
}

static void wake(Graph *g, int v)
{
    for (int32_t slot = g->head[v]; slot >= 0; slot = g->next[slot])
        if (g->alive[slot >> 1]) g->due[slot >> 7] |= 1ull << (slot >> 1 & 63);
}

/* The new values of all that changes when v has those in `bad`. */
static void propagate(Graph *g, int v)
{
    g->changed = 0;
    g->changes[g->changed++] = v;
    g->wrong[v] = 1;
    wake(g, v);
    for (int b = v >> 6; b <= (g->total - 1) >> 6; b++)
        while (g->due[b]) {
            int w = 64 * b + __builtin_ctzll(g->due[b]);
            g->due[b] &= g->due[b] - 1;
            int a = g->operand[2 * w], c = g->operand[2 * w + 1];
            const uint64_t *left = row(g, a >> 1), *right = row(g, c >> 1);
            const uint64_t *old = g->value + (size_t)w * g->words;
            uint64_t *out = g->bad + (size_t)w * g->words;
            uint64_t differ = 0;
            for (int i = 0; i < g->words; i++) {
                uint64_t x = a & 1 ? g->full[i] & ~left[i] : left[i];
                uint64_t y = c & 1 ? g->full[i] & ~right[i] : right[i];
                out[i] = x & y;
                differ |= out[i] ^ old[i];
            }
            if (!differ) continue;
            g->wrong[w] = 1;
            g->changes[g->changed++] = w;
            wake(g, w);
        }
}

static uint64_t answered(const Graph *g, int word)
{
    uint64_t found = g->full[word];
    for (int o = 0; o < g->outputs; o++) {
        uint64_t x = row(g, g->output[o] >> 1)[word];
        if (g->output[o] & 1) x = g->full[word] & ~x;
        found &= ~(x ^ g->wanted[(size_t)o * g->words + word]);
    }
    return found;
}

/* Where v matters: words in which the opposite of v loses or wins an answer; how many do. */
static int observe(Graph *g, int v)
{
    int used = 0;
    const uint64_t *own = g->value + (size_t)v * g->words;
    for (int i = 0; i < g->words; i++) g->bad[(size_t)v * g->words + i] = g->full[i] & ~own[i];
    propagate(g, v);
    g->whole = 0;
    for (int i = 0; i < g->words; i++) {
        uint64_t flipped = answered(g, i);
        uint64_t worse = g->right[i] & ~flipped, better = flipped & ~g->right[i];
        if (!(worse | better)) continue;
        g->used[used] = i;
        g->worse[used] = worse;
        g->better[used++] = better;
        g->whole += sized(worse) - sized(better);
    }
    for (int i = 0; i < g->changed; i++) g->wrong[g->changes[i]] = 0;
    /* more[2 i] and more[2 i + 1]: answers that words from i on can lose and win. */
    g->more[2 * used] = g->more[2 * used + 1] = 0;
    for (int i = used - 1; i >= 0; i--) {
        g->more[2 * i] = g->more[2 * i + 2] + sized(g->worse[i]);
        g->more[2 * i + 1] = g->more[2 * i + 3] + sized(g->better[i]);
    }
    return used;
}

/* Answers lost by x in place of v; the whole less these are lost by its opposite. NEVER where
   neither is below the limit, at the first word that tells it. */
static int64_t loss(const Graph *g, int v, int x, int used, int64_t limit)
{
    const uint64_t *a = g->value + (size_t)x * g->words, *b = g->value + (size_t)v * g->words;
    int64_t lost = 0;
    for (int i = 0; i < used; i++) {
        int64_t lose = g->more[2 * i], win = g->more[2 * i + 1];
        if (lost - win >= limit && g->whole - lost - lose >= limit) return NEVER;
        uint64_t differ = a[g->used[i]] ^ b[g->used[i]];
        lost += sized(differ & g->worse[i]) - sized(differ & g->better[i]);
    }
    return lost;
}

static void replace(Graph *g, int v, int literal, int32_t *instead)
{
    const uint64_t *from = g->value + (size_t)(literal >> 1) * g->words;
    uint64_t *to = g->bad + (size_t)v * g->words;
    for (int i = 0; i < g->words; i++) to[i] = literal & 1 ? g->full[i] & ~from[i] : from[i];
    propagate(g, v);
    for (int i = 0; i < g->changed; i++) {
        size_t place = (size_t)g->changes[i] * g->words;
        memcpy(g->value + place, g->bad + place, sizeof *g->value * g->words);
        g->wrong[g->changes[i]] = 0;
    }
    g->correct = 0;
    for (int i = 0; i < g->words; i++) g->correct += sized(g->right[i] = answered(g, i));
    g->count[literal >> 1] += g->count[v];
    int freed = release(g, v, g->list);
    for (int i = 0; i < freed; i++) g->alive[g->list[i]] = 0;
    g->count[v] = 0;
    instead[v] = literal;
    for (int32_t slot = g->head[v], after; slot >= 0; slot = after) {
        after = g->next[slot];
        g->operand[slot] = literal ^ (g->operand[slot] & 1);
        g->next[slot] = g->head[literal >> 1];
        g->head[literal >> 1] = slot;
    }
    g->head[v] = -1;
    for (int o = 0; o < g->outputs; o++)
        if (g->output[o] >> 1 == v) g->output[o] = literal ^ (g->output[o] & 1);
}

/* Whether v was replaced, at `price` / `unit` answers a gate at most. */
static int visit(Graph *g, int v, int64_t price, int64_t unit, int64_t floor, int near,
                 int32_t *instead)
{
    int saved = fall(g, v, 0, g->list), used = observe(g, v), tried = 0;
    int64_t most = saved * price / unit, spare = g->correct - floor;
    int64_t limit = 1 + (most < spare ? most : spare), losses[INSIDE + 2], best = limit;
    int32_t literals[INSIDE + 2];
    for (int i = 0; i < saved; i++) g->inside[g->list[i]] = 1;
    int32_t own[] = {0, g->operand[2 * v] & ~1, g->operand[2 * v + 1] & ~1}, found = -1;
    if (near) {
        for (int i = 0; i < 3; i++) {
            if (g->inside[own[i] >> 1]) continue;
            int64_t lost = loss(g, v, own[i] >> 1, used, NEVER);
            int flip = i ? g->operand[2 * v + i - 1] & 1 : 0;
            int64_t one = flip ? g->whole - lost : lost;
            if (one < best) best = one, found = own[i] | flip;
            if (!i && g->whole - lost < best) best = g->whole - lost, found = 1;
        }
    } else {
        for (int x = 0; x < v; x++) {
            if (!g->alive[x] || g->inside[x]) continue;
            int64_t lost = loss(g, v, x, used, best);
            if (lost == NEVER) continue;
            if (lost < best) best = lost, found = 2 * x;
            if (g->whole - lost < best) best = g->whole - lost, found = 2 * x + 1;
        }
    }
    if (found >= 0) losses[tried] = best, literals[tried++] = found;
    int begin = tried;
    for (int i = 0; i < saved; i++) {
        int x = g->list[i];
        if (x >= v) continue;
        int64_t lost = loss(g, v, x, used, NEVER);
        for (int flip = 0; flip < 2; flip++) {
            int64_t one = flip ? g->whole - lost : lost;
            int literal = 2 * x + flip, place = tried;
            if (one >= limit) continue;
            while (place > begin && (losses[place - 1] > one ||
                                     (losses[place - 1] == one && literals[place - 1] > literal)))
                place--;
            if (place - begin >= INSIDE) continue;
            if (tried - begin == INSIDE) tried--;
            for (int k = tried; k > place; k--) {
                losses[k] = losses[k - 1];
                literals[k] = literals[k - 1];
            }
            losses[place] = one, literals[place] = literal, tried++;
        }
    }
    for (int i = 0; i < saved; i++) g->inside[g->list[i]] = 0;
    int64_t worth = -1, gain = 0;
    int chosen = -1;
    for (int i = 0; i < tried; i++) {
        int64_t gates = i < begin ? saved : fall(g, v, literals[i], g->list);
        int64_t now = gates * price - losses[i] * unit;
        if (now < 0 || now < worth || (now == worth && gates < gain)) continue;
        if (now == worth && gates == gain && literals[i] > chosen) continue;
        worth = now, gain = gates, chosen = literals[i];
    }
    if (chosen < 0) return 0;
    replace(g, v, chosen, instead);
    return 1;
}

/* A counting sort of the gates by what they save, the most first, then by their number. */
static int ordered(Graph *g, int32_t *order)
{
    int *start = calloc((size_t)g->total + 2, sizeof *start), visited = 0;
    int32_t *saves = malloc(sizeof *saves * (size_t)g->total);
    if (!start || !saves) visited = -1;
    for (int v = g->first; visited >= 0 && v < g->total; v++)
        if (g->count[v]) start[g->total - (saves[v] = fall(g, v, 0, g->list)) + 1]++;
    for (int k = 0; visited >= 0 && k <= g->total; k++) start[k + 1] += start[k];
    for (int v = g->first; visited >= 0 && v < g->total; v++)
        if (g->count[v]) order[start[g->total - saves[v]]++] = v, visited++;
    free(start);
    free(saves);
    return visited;
}

/* Visits every gate once. `operand` (total, 2), `output`, `alive` and `value` (total, words) change
   with the graph, `instead` has what took the place of a variable, or -1, and `correct` the right
   answers. 1 where a gate was replaced, 0 where none was, -1 without memory. */
int trim_round(int first, int total, int words, int outputs, int32_t *operand, int32_t *output,
               unsigned char *alive, uint64_t *value, const uint64_t *wanted, const uint64_t *full,
               int64_t price, int64_t unit, int64_t floor, int near, int32_t *instead,
               int64_t *correct)
{
    size_t n = (size_t)total, line = sizeof(uint64_t) * (size_t)words;
    int32_t *numbers = malloc(sizeof *numbers * (8 * n + (size_t)words));
    uint64_t *rows = malloc(line * (n + 3)), *due = calloc(n / 64 + 1, sizeof *due);
    int64_t *more = malloc(sizeof *more * 2 * ((size_t)words + 1));
    unsigned char *flags = calloc(2 * n, 1);
    int status = -1;
    if (!numbers || !rows || !due || !more || !flags) goto end;
    Graph g = {first, total, words, outputs, operand, output, numbers, numbers + n,
               numbers + 2 * n, numbers + 4 * n, numbers + 5 * n, numbers + 8 * n, value, rows,
               rows + n * (size_t)words, rows + (n + 1) * (size_t)words,
               rows + (n + 2) * (size_t)words, due, wanted, full, more, 0, 0, alive, flags,
               flags + n, 0, numbers + 6 * n};
    int32_t *order = numbers + 7 * n;
    memset(g.count, 0, sizeof *g.count * n);
    memset(g.head, -1, sizeof *g.head * n);
    for (int v = first; v < total; v++)
        for (int slot = 2 * v; alive[v] && slot <= 2 * v + 1; slot++) {
            int x = operand[slot] >> 1;
            g.count[x]++;
            g.next[slot] = g.head[x];
            g.head[x] = slot;
        }
    for (int o = 0; o < outputs; o++) g.count[output[o] >> 1]++;
    for (int i = 0; i < words; i++) g.correct += sized(g.right[i] = answered(&g, i));
    int visits = ordered(&g, order), replaced = 0;
    if (visits < 0) goto end;
    for (int i = 0; i < visits; i++)
        if (g.count[order[i]]) replaced |= visit(&g, order[i], price, unit, floor, near, instead);
    *correct = g.correct;
    status = replaced;
end:
    free(numbers);
    free(rows);
    free(due);
    free(more);
    free(flags);
    return status;
}
