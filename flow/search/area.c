/* Estimates the area of each genome of a population: see estimate.py.

   Builds the and-inverter graph of a candidate, merges gates that agree on PATTERNS samples of its
   inputs, and covers what the class depends on with the smallest gates of two inputs. Plan and
   genomes are those of count.c. */

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

enum { COLUMNS = 48, SIGN = COLUMNS - 1 };

/* Sums of neurons: the bits of COLUMNS columns, sign extended. */
typedef struct { int32_t bit[COLUMNS], sign; } number;

/* A heap of bits: column c holds `height[c]` literals at `bits + c * room`. */
typedef struct { int32_t *bits; int32_t room, height[COLUMNS]; } heap;

static int length(int64_t v)
{
    int n = 0;
    for (; v > 0; v >>= 1) n++;
    return n;
}

static void push(heap *h, int column, int32_t literal)
{
    h->bits[(int64_t)column * h->room + h->height[column]++] = literal;
}

/* The heap plus a constant, as a number whose columns are reduced from the lowest up. */
static void add_up(graph *g, heap *h, int64_t constant, int64_t most, number *to)
{
    int width = length(most);
    if (constant < 0) width = (width > length(~constant) ? width : length(~constant)) + 1;
    if (width > COLUMNS) width = COLUMNS;
    memset(to, 0, sizeof *to);
    for (int c = 0; c < width; c++) {
        int32_t *bits = h->bits + (int64_t)c * h->room, at = 0, carry;
        if (constant >> c & 1) push(h, c, 1);
        for (; h->height[c] - at > 2; at += 3) {
            int32_t sum = full(g, bits[at], bits[at + 1], bits[at + 2], &carry);
            /* The constant stays last: with one more bit it costs nothing. */
            if (h->height[c] - at > 3 && bits[h->height[c] - 1] == 1) {
                bits[h->height[c] - 1] = sum;
                sum = 1;
            }
            push(h, c, sum);
            if (c + 1 < width) push(h, c + 1, carry);
        }
        int32_t sum = h->height[c] - at > 0 ? bits[at] : 0;
        if (h->height[c] - at == 2) {
            if (c + 1 < width) push(h, c + 1, both(g, bits[at], bits[at + 1]));
            sum = unequal(g, bits[at], bits[at + 1]);
        }
        to->bit[c] = sum;
    }
    to->sign = constant < 0 ? to->bit[width - 1] : 0;
    for (int c = width; c < COLUMNS; c++) to->bit[c] = to->sign;
    for (int c = 0; c < COLUMNS; c++) h->height[c] = 0;
}

/* The sum of one neuron. Source i has the bits from source + i * most on. */
static void sum_of(graph *g, heap *h, const int32_t *masks, const int32_t *powers, int64_t bias,
                   const int32_t *source, int sources, int most, number *to)
{
    int64_t up = 0;
    for (int i = 0; i < sources; i++) {
        int down = powers[i] < 0, power = down ? ~powers[i] : powers[i];
        for (int b = 0; b < most && masks[i] >> b; b++) {
            int32_t literal = source[i * most + b];
            int64_t value = (int64_t)1 << (b + power);
            if (!(masks[i] >> b & 1) || literal == 0) continue;
            if (down) bias -= value;
            if (literal == 1) {
                bias += down ? 0 : value;
                continue;
            }
            push(h, b + power, literal ^ down);
            up += value;
        }
    }
    add_up(g, h, bias, bias + up, to);
}

/* left >= right over the bits that are not ignored; the sign always is compared. */
static int32_t at_least(graph *g, const number *left, const number *right, int64_t ignored)
{
    int32_t more = 1;
    for (int c = 0; c < COLUMNS; c++) {
        int32_t a = left->bit[c], b = right->bit[c];
        if (ignored >> c & 1 || a == b) continue;
        if (c == SIGN) { int32_t t = a; a = b; b = t; }
        more = either(g, both(g, a, b ^ 1), both(g, either(g, a, b ^ 1), more));
    }
    return more;
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

/* The bits that a neuron of one bit reads, in ascending order of their use, as literals that are 1
   where they add; -1 unless all weigh the same. *bias becomes the sum with all of them 0. */
static int equal_bits(const int32_t *masks, const int32_t *powers, const int32_t *source, int sources,
                      int most, int64_t *bias, int64_t *weight, int32_t *found)
{
    int count = 0;
    *weight = 0;
    for (int i = 0; i < sources; i++) {
        int down = powers[i] < 0, power = down ? ~powers[i] : powers[i];
        for (int b = 0; b < most && masks[i] >> b; b++) {
            int32_t literal = source[i * most + b];
            int64_t value = (int64_t)1 << (b + power);
            if (!(masks[i] >> b & 1) || literal == 0) continue;
            if (down) *bias -= value;
            if (literal == 1) {
                *bias += down ? 0 : value;
                continue;
            }
            if (count == ALIKE || (*weight && *weight != value)) return -1;
            *weight = value;
            found[count++] = literal ^ down;
        }
    }
    return count;
}

/* Builds a neuron that is 1 where all of its bits are, or any of them: as a chain that begins with
   the bits that most neurons use, so that neurons share its links. 0 where it is no such neuron. */
static int conjunction(graph *g, const int32_t *masks, const int32_t *powers, int64_t bias,
                       const int32_t *source, int sources, int most, const int32_t *uses, int32_t *to)
{
    int32_t bits[ALIKE];
    int64_t weight;
    int count = equal_bits(masks, powers, source, sources, most, &bias, &weight, bits);
    if (count < 1) return 0;
    int every = bias + count * weight >= 0 && bias + (count - 1) * weight < 0;
    int any = bias < 0 && bias + weight >= 0;
    if (!every && !any) return 0;
    for (int i = 1; i < count; i++) {
        int32_t bit = bits[i];
        int k = i;
        for (; k > 0 && uses[bits[k - 1] >> 1] < uses[bit >> 1]; k--) bits[k] = bits[k - 1];
        bits[k] = bit;
    }
    *to = every;
    for (int i = 0; i < count; i++) *to = every ? both(g, *to, bits[i]) : either(g, *to, bits[i]);
    return 1;
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

static void sort_places(const int32_t *keys, int classes, int32_t *order)
{
    for (int i = 0; i < classes; i++) {
        int k = i;
        for (; k > 0 && keys[order[k - 1]] > keys[i]; k--) order[k] = order[k - 1];
        order[k] = i;
    }
}

/* How many neurons of a layer read each node; null where memory ran out. */
static int32_t *count_uses(graph *g, const int32_t *genome, const int32_t *layer,
                           const int32_t *source, int most)
{
    int32_t *uses = calloc(g->count, sizeof *uses);
    g->failed |= !uses;
    for (int n = 0; n < layer[1] && uses; n++)
        for (int i = 0; i < layer[0]; i++) {
            int32_t mask = genome[layer[2] + (int64_t)n * layer[0] + i];
            for (int b = 0; b < most && mask >> b; b++)
                if (mask >> b & 1) uses[source[i * most + b] >> 1]++;
        }
    return uses;
}

/* The graph of a genome; its outputs are the bits of the class. */
static int build(graph *g, heap *h, const int32_t *genome, const int32_t *plan, int32_t *shown,
                 number *scores, int32_t *indices, int32_t *order, int32_t *outputs)
{
    int classes = plan[3], most = plan[2], bits = length(classes - 1);
    const int32_t *layer = plan + HEAD;
    start(g, plan[1] * plan[2]);
    for (int i = 0; i < plan[1] * most; i++) shown[i] = 2 * (i + 1);
    for (int l = 0; l < plan[0]; l++, layer += LAYER) {
        int sources = layer[0], next = plan[HEAD + LAYER * plan[0]];
        int32_t *to = shown + (int64_t)sources * most;
        int32_t *uses = count_uses(g, genome, layer, shown, most);
        for (int n = 0; n < layer[1] && !g->failed; n++) {
            const int32_t *masks = genome + layer[2] + (int64_t)n * sources;
            const int32_t *powers = genome + layer[3] + (int64_t)n * sources;
            int64_t bias = genome[layer[4] + n];
            if (layer[5] < 0) {
                sum_of(g, h, masks, powers, bias, shown, sources, most, scores + n);
                continue;
            }
            memset(to + (int64_t)n * next, 0, next * sizeof *to);
            if (!genome[layer[7] + n]) continue;
            number sum;
            int shift = genome[layer[5] + n], wide = genome[layer[6] + n];
            if (wide == 1 && conjunction(g, masks, powers, bias - ((int64_t)1 << shift), shown,
                                         sources, most, uses, to + (int64_t)n * next))
                continue;
            if (wide == 1) {
                sum_of(g, h, masks, powers, bias - ((int64_t)1 << shift), shown, sources, most, &sum);
                to[(int64_t)n * next] = sum.sign ^ 1;
                continue;
            }
            sum_of(g, h, masks, powers, bias, shown, sources, most, &sum);
            int32_t over = 0;
            for (int c = shift + wide; c < SIGN; c++) over = either(g, over, both(g, sum.bit[c], sum.sign ^ 1));
            for (int b = 0; b < wide; b++) {
                int32_t bit = shift + b < SIGN ? sum.bit[shift + b] : sum.sign;
                to[(int64_t)n * next + b] = both(g, either(g, bit, over), sum.sign ^ 1);
            }
        }
        free(uses);
        shown = to;
        most = next;
    }
    int waiting = classes, made = 0;
    for (int i = 0; i < classes; i++) {
        order[i] = i;
        for (int b = 0; b < bits; b++) indices[i * bits + b] = i >> b & 1;
    }
    if (plan[4] >= 0) sort_places(genome + plan[4], classes, order);
    while (waiting > 1 && !g->failed) {
        int pairs = waiting / 2;
        for (int p = 0; p < pairs; p++, made++) {
            int64_t ignored = plan[5] >= 0 ? genome[plan[5] + made] : 0;
            int32_t i = order[2 * p], j = order[2 * p + 1], k = classes + made;
            int32_t stays = at_least(g, scores + i, scores + j, ignored);
            for (int c = 0; c < COLUMNS && waiting > 2; c++)
                scores[k].bit[c] = choice(g, stays, scores[i].bit[c], scores[j].bit[c]);
            for (int b = 0; b < bits; b++)
                indices[k * bits + b] = choice(g, stays, indices[i * bits + b], indices[j * bits + b]);
            order[p] = k;
        }
        if (waiting % 2) order[pairs] = order[waiting - 1];
        waiting = pairs + waiting % 2;
    }
    memcpy(outputs, indices + (classes + made - 1) * bits, bits * sizeof *outputs);
    return bits;
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

/* What the building of a candidate needs: bits of all neurons, heap, scores, the decision. */
typedef struct {
    heap h;
    int32_t *shown, *indices, *order, outputs[16];
    number *scores;
} bench;

static int set_up(bench *b, const int32_t *plan)
{
    int64_t values = (int64_t)plan[1] * plan[2], tall = 0;
    int hidden = plan[HEAD + LAYER * plan[0]], classes = plan[3];
    const int32_t *layer = plan + HEAD;
    for (int l = 0; l < plan[0]; l++, layer += LAYER) {
        int64_t column = (int64_t)layer[0] * (l ? hidden : plan[2]);
        values += (int64_t)layer[1] * hidden;
        if (column > tall) tall = column;
    }
    memset(b, 0, sizeof *b);
    b->h.room = (int32_t)(3 * tall + 8);
    b->h.bits = malloc((int64_t)COLUMNS * b->h.room * sizeof *b->h.bits);
    b->shown = malloc(values * sizeof *b->shown);
    b->scores = calloc(2 * classes, sizeof *b->scores);
    b->indices = malloc(2 * classes * 16 * sizeof *b->indices);
    b->order = malloc(classes * sizeof *b->order);
    return !b->h.bits || !b->shown || !b->scores || !b->indices || !b->order;
}

static void clean_up(bench *b, graph *graphs, int count)
{
    free(b->h.bits); free(b->shown); free(b->scores); free(b->indices); free(b->order);
    for (int i = 0; i < count; i++) {
        free(graphs[i].gates); free(graphs[i].patterns);
        free(graphs[i].by_gate); free(graphs[i].by_pattern);
    }
}

/* found[genome][2]: area of the cover in the unit of `cells` (the areas of an inverter, NAND, NOR,
   AND and OR), and its number of gates. The plan ends with the bits of a hidden value. Returns 0,
   or 1 where memory ran out. */
int flow_area(const int32_t *genomes, int64_t population, int64_t genes, const int32_t *plan,
              const int64_t *cells, int64_t *found)
{
    graph g[2] = {{.merging = 1}, {.merging = 1}};
    bench b;
    int32_t *refs = NULL, room = 0;
    int64_t *flow = NULL;
    uint8_t *needed = NULL;
    pattern *care = NULL;
    int failed = make(g, plan[1] * plan[2]) | make(g + 1, plan[1] * plan[2]) | set_up(&b, plan);
    for (int64_t p = 0; p < population && !failed; p++) {
        int count = build(g, &b.h, genomes + p * genes, plan, b.shown, b.scores, b.indices, b.order,
                          b.outputs);
        failed = g->failed;
        if (!failed && room < g->room) {
            room = g->room;
            free(refs); free(flow); free(needed); free(care);
            refs = malloc(room * sizeof *refs);
            flow = calloc(2 * (int64_t)room, sizeof *flow);
            needed = malloc(room);
            care = malloc(room * sizeof *care);
            failed = !refs || !flow || !needed || !care;
        }
        for (int turn = 0; turn < PRUNED && !failed; turn++) {
            prune(g + turn % 2, g + (turn + 1) % 2, b.outputs, count, care, refs);
            failed = g[(turn + 1) % 2].failed;
        }
        if (!failed)
            found[2 * p] = cover(g + PRUNED % 2, b.outputs, count, cells, refs, flow, needed,
                                 found + 2 * p + 1);
    }
    clean_up(&b, g, 2);
    free(refs); free(flow); free(needed); free(care);
    return failed;
}

/* The exact graph of one genome, no gate merged by samples: gates[k][2] are the literals of node
   inputs + 1 + k, outputs the bits of the class, at most 16, whose number is outputs[16]. Returns
   the number of gates that the outputs need, or where that is above `room`, nothing but it; -1
   where memory ran out. */
int64_t flow_graph(const int32_t *genome, const int32_t *plan, int32_t *gates, int64_t room,
                   int32_t *outputs)
{
    graph g = {.merging = 0};
    bench b;
    int64_t size = -1;
    if (!(make(&g, plan[1] * plan[2]) | set_up(&b, plan))) {
        int count = build(&g, &b.h, genome, plan, b.shown, b.scores, b.indices, b.order, outputs);
        int32_t *place = calloc(g.count, sizeof *place);
        outputs[16] = count;
        if (place && !g.failed) {
            for (int i = 0; i < count; i++) place[outputs[i] >> 1] = 1;
            for (int32_t v = g.count - 1; v > g.inputs; v--)
                if (place[v]) place[g.gates[v].left >> 1] = place[g.gates[v].right >> 1] = 1;
            for (int32_t v = 0; v <= g.inputs; v++) place[v] = v;
            size = 0;
            for (int32_t v = g.inputs + 1; v < g.count; v++) {
                if (!place[v]) continue;
                int32_t a = g.gates[v].left, c = g.gates[v].right;
                if (size < room) {
                    gates[2 * size] = 2 * place[a >> 1] + (a & 1);
                    gates[2 * size + 1] = 2 * place[c >> 1] + (c & 1);
                }
                place[v] = (int32_t)(g.inputs + 1 + size++);
            }
            for (int i = 0; i < count; i++)
                outputs[i] = 2 * place[outputs[i] >> 1] + (outputs[i] & 1);
        }
        free(place);
    }
    clean_up(&b, &g, 1);
    return size;
}
