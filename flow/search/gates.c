/* And-inverter graphs of candidates: made gate by gate, merged by samples, pruned and covered.

   The first part of what area.c needs. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD = 6, LAYER = 8, WORDS = 16, PRUNED = 2, ALIKE = 64 };

/* A literal is twice a node, plus one where it is inverted; node 0 is the constant 0. */
typedef struct { int32_t left, right; } gate;
typedef struct { uint64_t bit[WORDS]; } pattern;

typedef struct {
    gate *gates;
    pattern *patterns;
    int32_t *by_gate, *by_pattern;
    int32_t count, room, slots, inputs, failed, merging;
} graph;

static uint64_t mixed(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static uint64_t pattern_key(const pattern *p, uint64_t flip)
{
    uint64_t key = 0;
    for (int w = 0; w < WORDS; w++) key = mixed(key + (p->bit[w] ^ flip)) + 0x9E3779B97F4A7C15u * w;
    return key;
}

static void clear_slots(graph *g)
{
    memset(g->by_gate, 0xff, g->slots * sizeof *g->by_gate);
    memset(g->by_pattern, 0xff, g->slots * sizeof *g->by_pattern);
}

static void insert(graph *g, int32_t node)
{
    const pattern *p = g->patterns + node;
    uint64_t slot = pattern_key(p, -(p->bit[0] & 1)) & (g->slots - 1);
    while (g->merging && g->by_pattern[slot] >= 0) slot = (slot + 1) & (g->slots - 1);
    if (g->merging) g->by_pattern[slot] = node;
    if (node <= g->inputs) return;
    slot = mixed((uint64_t)g->gates[node].left << 32 | (uint32_t)g->gates[node].right);
    slot &= g->slots - 1;
    while (g->by_gate[slot] >= 0) slot = (slot + 1) & (g->slots - 1);
    g->by_gate[slot] = node;
}

static void grow(graph *g)
{
    g->room *= 2;
    g->slots *= 2;
    gate *gates = realloc(g->gates, g->room * sizeof *gates);
    if (gates) g->gates = gates;
    pattern *patterns = realloc(g->patterns, g->room * sizeof *patterns);
    if (patterns) g->patterns = patterns;
    int32_t *by_gate = realloc(g->by_gate, g->slots * sizeof *by_gate);
    if (by_gate) g->by_gate = by_gate;
    int32_t *by_pattern = realloc(g->by_pattern, g->slots * sizeof *by_pattern);
    if (by_pattern) g->by_pattern = by_pattern;
    if (!gates || !patterns || !by_gate || !by_pattern) {
        g->failed = 1;
        g->count = g->inputs + 1;
        g->room /= 2;
        g->slots /= 2;
    }
    clear_slots(g);
    for (int32_t node = 0; node < g->count; node++) insert(g, node);
}

/* The literal of left and right. */
static int32_t both(graph *g, int32_t left, int32_t right)
{
    if (left > right) { int32_t t = left; left = right; right = t; }
    if (left == 0 || left == (right ^ 1)) return 0;
    if (left == 1 || left == right) return right;
    uint64_t slot = mixed((uint64_t)left << 32 | (uint32_t)right) & (g->slots - 1);
    for (int32_t node; (node = g->by_gate[slot]) >= 0; slot = (slot + 1) & (g->slots - 1))
        if (g->gates[node].left == left && g->gates[node].right == right)
            return 2 * node;
    pattern made = {{0}};
    uint64_t key = (uint64_t)g->count << 32, turn = 0;
    const pattern *a = g->patterns + (left >> 1), *b = g->patterns + (right >> 1);
    uint64_t flip = -(uint64_t)(left & 1), other = -(uint64_t)(right & 1);
    for (int w = 0; w < WORDS && g->merging; w++)
        made.bit[w] = (a->bit[w] ^ flip) & (b->bit[w] ^ other);
    if (g->merging) {
        /* A gate whose first sample is 1 stands in the tables by its inverse. */
        turn = -(made.bit[0] & 1);
        key = pattern_key(&made, turn);
    }
    for (slot = key & (g->slots - 1); g->merging && g->by_pattern[slot] >= 0;
         slot = (slot + 1) & (g->slots - 1)) {
        const pattern *old = g->patterns + g->by_pattern[slot];
        int same = 1;
        uint64_t turned = -(old->bit[0] & 1);
        for (int w = 0; w < WORDS && same; w++)
            same = (old->bit[w] ^ turned) == (made.bit[w] ^ turn);
        if (same) return 2 * g->by_pattern[slot] + (turned != turn);
    }
    if (g->count == g->room) {
        grow(g);
        if (g->failed) return 0;
    }
    int32_t node = g->count++;
    g->gates[node].left = left;
    g->gates[node].right = right;
    g->patterns[node] = made;
    for (slot = key & (g->slots - 1); g->merging && g->by_pattern[slot] >= 0;)
        slot = (slot + 1) & (g->slots - 1);
    if (g->merging) g->by_pattern[slot] = node;
    slot = mixed((uint64_t)left << 32 | (uint32_t)right) & (g->slots - 1);
    while (g->by_gate[slot] >= 0) slot = (slot + 1) & (g->slots - 1);
    g->by_gate[slot] = node;
    return 2 * node;
}

static int32_t either(graph *g, int32_t a, int32_t b) { return both(g, a ^ 1, b ^ 1) ^ 1; }

/* a ^ b as four NANDs, which share the first with the carry. */
static int32_t unequal(graph *g, int32_t a, int32_t b)
{
    int32_t n = both(g, a, b) ^ 1;
    return either(g, both(g, a, n), both(g, b, n));
}

static int32_t choice(graph *g, int32_t which, int32_t yes, int32_t no)
{
    if (yes == no) return yes;
    return either(g, both(g, which, yes), both(g, which ^ 1, no));
}

static int32_t full(graph *g, int32_t a, int32_t b, int32_t c, int32_t *carry)
{
    if (c == 1) {
        *carry = either(g, a, b);
        return unequal(g, a, b) ^ 1;
    }
    int32_t s = unequal(g, a, b);
    *carry = either(g, both(g, a, b), both(g, s, c));
    return unequal(g, s, c);
}

/* The inputs of a candidate and nothing else; their samples are always the same. */
static void start(graph *g, int32_t inputs)
{
    uint64_t seed = 0;
    g->inputs = inputs;
    g->count = inputs + 1;
    memset(g->patterns, 0, sizeof *g->patterns);
    for (int32_t v = 1; v <= inputs; v++)
        for (int w = 0; w < WORDS; w++) g->patterns[v].bit[w] = mixed(seed += 0x9E3779B97F4A7C15u);
    clear_slots(g);
    for (int32_t v = 0; v < g->count; v++) insert(g, v);
}

/* An empty graph with room for the inputs; 1 where memory ran out. */
static int make(graph *g, int32_t inputs)
{
    g->room = 1 << 12;
    while (g->room <= inputs) g->room *= 2;
    g->slots = 4 * g->room;
    g->gates = calloc(g->room, sizeof *g->gates);
    g->patterns = malloc(g->room * sizeof *g->patterns);
    g->by_gate = malloc(g->slots * sizeof *g->by_gate);
    g->by_pattern = malloc(g->slots * sizeof *g->by_pattern);
    return !g->gates || !g->patterns || !g->by_gate || !g->by_pattern;
}

/* Builds `to` as `from` without the gates that no output can see: a backward pass says on which
   samples a gate matters (compatible don't cares, Savoj and Brayton, DAC 1990), and where it then
   is constant, or one of its sources, it becomes that. */
static void prune(const graph *from, graph *to, int32_t *outputs, int count, pattern *care,
                  int32_t *place)
{
    memset(care, 0, from->count * sizeof *care);
    for (int i = 0; i < count; i++) memset(care + (outputs[i] >> 1), 0xff, sizeof *care);
    for (int32_t v = from->count - 1; v > from->inputs; v--) {
        int32_t a = from->gates[v].left, b = from->gates[v].right;
        const uint64_t *seen = care[v].bit;
        const uint64_t *x = from->patterns[a >> 1].bit, *y = from->patterns[b >> 1].bit;
        uint64_t *left = care[a >> 1].bit, *right = care[b >> 1].bit;
        uint64_t flip = -(uint64_t)(a & 1), other = -(uint64_t)(b & 1);
        for (int w = 0; w < WORDS; w++) {
            uint64_t p = x[w] ^ flip, q = y[w] ^ other;
            left[w] |= seen[w] & q;
            right[w] |= seen[w] & (p | ~q);
        }
    }
    start(to, from->inputs);
    for (int32_t v = 0; v <= from->inputs; v++) place[v] = 2 * v;
    for (int32_t v = from->inputs + 1; v < from->count && !to->failed; v++) {
        int32_t a = from->gates[v].left, b = from->gates[v].right;
        const uint64_t *seen = care[v].bit;
        const uint64_t *x = from->patterns[a >> 1].bit, *y = from->patterns[b >> 1].bit;
        uint64_t flip = -(uint64_t)(a & 1), other = -(uint64_t)(b & 1);
        uint64_t one = 0, zero = 0, left = 0, right = 0;
        for (int w = 0; w < WORDS; w++) {
            uint64_t p = x[w] ^ flip, q = y[w] ^ other;
            one |= seen[w] & p & q;
            zero |= seen[w] & ~(p & q);
            left |= seen[w] & p & ~q;
            right |= seen[w] & q & ~p;
        }
        int32_t l = place[a >> 1] ^ (a & 1), r = place[b >> 1] ^ (b & 1);
        place[v] = !one ? 0 : !zero ? 1 : !left ? l : !right ? r : both(to, l, r);
    }
    for (int i = 0; i < count; i++) outputs[i] = place[outputs[i] >> 1] ^ (outputs[i] & 1);
}

enum { INV, NAND2, NOR2, AND2, OR2, CELLS };

/* The area of the gates that the outputs need, each in its cheapest form; *size is their number. */
static int64_t cover(const graph *g, const int32_t *outputs, int count, const int64_t *cells,
                     int32_t *refs, int64_t *flow, uint8_t *needed, int64_t *size)
{
    int64_t area = 0;
    *size = 0;
    memset(refs, 0, g->count * sizeof *refs);
    memset(needed, 0, g->count);
    for (int i = 0; i < count; i++) refs[outputs[i] >> 1]++;
    for (int32_t v = g->count - 1; v > g->inputs; v--)
        if (refs[v]) refs[g->gates[v].left >> 1]++, refs[g->gates[v].right >> 1]++, ++*size;
    for (int32_t v = 1; v < g->count; v++) {
        int64_t *f = flow + 2 * (int64_t)v, n = refs[v] ? refs[v] : 1;
        if (v <= g->inputs) {
            f[0] = 0;
            f[1] = cells[INV] / n;
            continue;
        }
        int32_t a = g->gates[v].left, b = g->gates[v].right;
        int64_t as_is = flow[a] + flow[b], turned = flow[a ^ 1] + flow[b ^ 1];
        int64_t plus = cells[AND2] + as_is, minus = cells[NAND2] + as_is;
        if (cells[NOR2] + turned < plus) plus = cells[NOR2] + turned;
        if (cells[OR2] + turned < minus) minus = cells[OR2] + turned;
        if (minus + cells[INV] < plus) plus = minus + cells[INV];
        if (plus + cells[INV] < minus) minus = plus + cells[INV];
        f[0] = plus / n;
        f[1] = minus / n;
    }
    for (int i = 0; i < count; i++) needed[outputs[i] >> 1] |= outputs[i] & 1 ? 2 : 1;
    for (int32_t v = g->count - 1; v > 0; v--) {
        if (!needed[v]) continue;
        if (v <= g->inputs) {
            area += needed[v] & 2 ? cells[INV] : 0;
            continue;
        }
        int32_t a = g->gates[v].left, b = g->gates[v].right;
        int64_t as_is = flow[a] + flow[b], turned = flow[a ^ 1] + flow[b ^ 1];
        int64_t plus = cells[AND2] + as_is, minus = cells[NAND2] + as_is;
        int32_t flip_plus = 0, flip_minus = 0;
        if (cells[NOR2] + turned < plus) plus = cells[NOR2] + turned, flip_plus = 1;
        if (cells[OR2] + turned < minus) minus = cells[OR2] + turned, flip_minus = 1;
        int use_plus = needed[v] == 1 || (needed[v] == 3 && plus <= minus);
        if (needed[v] != 3) {
            if (use_plus && minus + cells[INV] < plus) use_plus = 0, area += cells[INV];
            else if (!use_plus && plus + cells[INV] < minus) use_plus = 1, area += cells[INV];
        } else {
            area += cells[INV];
        }
        int32_t flip = use_plus ? flip_plus : flip_minus;
        if (use_plus) area += flip ? cells[NOR2] : cells[AND2];
        else area += flip ? cells[OR2] : cells[NAND2];
        a ^= flip, b ^= flip;
        needed[a >> 1] |= a & 1 ? 2 : 1;
        needed[b >> 1] |= b & 1 ? 2 : 1;
    }
    return area;
}
