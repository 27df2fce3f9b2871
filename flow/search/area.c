/* Estimates the area of each genome of a population: see estimate.py.

   Builds the and-inverter graph of a candidate, merges gates that agree on 64 * WORDS samples of its
   inputs, and covers what the class depends on with the smallest gates of two inputs. Plan and
   genomes are those of count.c, the graph is that of gates.c. */

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
