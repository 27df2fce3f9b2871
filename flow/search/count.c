/* Counts how many samples each genome of a population classifies right: see fitness.py.

   plan: layers, inputs, bits of an input, classes, place of the keys of the order or -1, place of
   the ignored bits; then eight numbers a layer: sources, neurons, and the places of masks, powers,
   biases, shifts, bits and living, the last three -1 in the output layer.
   Samples come in chunks of SIZE: inputs[chunk][input][SIZE], labels[chunk][SIZE], where a label
   of -1 is no sample. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 256, HEAD = 6, LAYER = 8, SMALL = 32 };

/* Vectors of the machine, or as many of them as it takes: an extension of GCC and Clang. */
typedef int16_t small_vector __attribute__((vector_size(2 * SMALL), aligned(2), may_alias));

typedef struct { int32_t source, mask, weight; } connection;
typedef struct { int32_t first, last, bias, shift, top, small; } neuron;

static int order_of(const int32_t *keys, int classes, int32_t *order)
{
    for (int i = 0; i < classes; i++) {
        int k = i;
        for (; k > 0 && keys[order[k - 1]] > keys[i]; k--) order[k] = order[k - 1];
        order[k] = i;
    }
    return classes;
}

/* The decision of each sample of a chunk by a tournament: places as in ir/approximate.py. */
static void tournament(const int32_t *genome, const int32_t *plan, int32_t *values, int32_t *winners,
                       int32_t *order)
{
    int classes = plan[3], waiting = order_of(genome + plan[4], classes, order), made = 0;
    for (int c = 0; c < classes; c++)
        for (int s = 0; s < SIZE; s++) winners[c * SIZE + s] = c;
    while (waiting > 1) {
        int pairs = waiting / 2;
        for (int p = 0; p < pairs; p++, made++) {
            int32_t mask = ~genome[plan[5] + made];
            const int32_t *a = values + order[2 * p] * SIZE, *b = values + order[2 * p + 1] * SIZE;
            const int32_t *i = winners + order[2 * p] * SIZE, *j = winners + order[2 * p + 1] * SIZE;
            int32_t *v = values + (classes + made) * SIZE;
            int32_t *w = winners + (classes + made) * SIZE;
            for (int s = 0; s < SIZE; s++) {
                int stays = (a[s] & mask) >= (b[s] & mask);
                v[s] = stays ? a[s] : b[s];
                w[s] = stays ? i[s] : j[s];
            }
            order[p] = classes + made;
        }
        if (waiting % 2) order[pairs] = order[waiting - 1];
        waiting = pairs + waiting % 2;
    }
    if (made) memcpy(winners, winners + (classes + made - 1) * SIZE, SIZE * sizeof *winners);
}

static void first_largest(const int32_t *scores, int classes, int32_t *restrict best,
                          int32_t *restrict winners)
{
    memcpy(best, scores, SIZE * sizeof *best);
    memset(winners, 0, SIZE * sizeof *winners);
    for (int c = 1; c < classes; c++) {
        const int32_t *score = scores + c * SIZE;
        for (int s = 0; s < SIZE; s++) {
            winners[s] = score[s] > best[s] ? c : winners[s];
            best[s] = score[s] > best[s] ? score[s] : best[s];
        }
    }
}

/* The living connections of all neurons, and what else is known of them. */
static void read_genome(const int32_t *genome, const int32_t *plan, neuron *neurons,
                        connection *connections, int32_t *reads)
{
    int32_t next = 0;
    const int32_t *layer = plan + HEAD;
    for (int i = 0; i < plan[1]; i++) reads[i] = (1 << plan[2]) - 1;
    for (int l = 0; l < plan[0]; l++, layer += LAYER) {
        int sources = layer[0], count = layer[1];
        int32_t *tops = reads + sources;
        for (int n = 0; n < count; n++, neurons++) {
            int alive = layer[7] < 0 || genome[layer[7] + n];
            int64_t peak = llabs((long long)genome[layer[4] + n]);
            neurons->first = next;
            neurons->bias = alive ? genome[layer[4] + n] : 0;
            neurons->shift = layer[5] < 0 ? 0 : genome[layer[5] + n];
            neurons->top = layer[6] < 0 ? 0 : alive ? (1 << genome[layer[6] + n]) - 1 : 0;
            for (int i = 0; alive && i < sources; i++) {
                int32_t mask = genome[layer[2] + n * sources + i] & reads[i];
                int32_t power = genome[layer[3] + n * sources + i];
                if (!mask) continue;
                connections[next].source = i;
                connections[next].mask = mask;
                connections[next].weight = power < 0 ? -(1 << ~power) : 1 << power;
                peak += (int64_t)mask << (power < 0 ? ~power : power);
                next++;
            }
            neurons->last = next;
            neurons->small = peak < 1 << 15;
            tops[n] = neurons->top;
        }
        reads = tops;
    }
}

/* Four vectors of sums stay in registers while all connections are added. */
static void sum_small(const neuron *n, const connection *c, const int16_t *values, int16_t *sums)
{
    for (int s = 0; s < SIZE; s += 4 * SMALL) {
        small_vector a0 = {0}, a1, a2, a3;
        a0 += (int16_t)n->bias;
        a1 = a2 = a3 = a0;
        for (int k = n->first; k < n->last; k++) {
            const small_vector *x = (const small_vector *)(values + (int64_t)c[k].source * SIZE + s);
            int16_t mask = (int16_t)c[k].mask, weight = (int16_t)c[k].weight;
            a0 += (x[0] & mask) * weight;
            a1 += (x[1] & mask) * weight;
            a2 += (x[2] & mask) * weight;
            a3 += (x[3] & mask) * weight;
        }
        small_vector *to = (small_vector *)(sums + s);
        to[0] = a0, to[1] = a1, to[2] = a2, to[3] = a3;
    }
}

static void sum_large(const neuron *n, const connection *c, const int16_t *values, int32_t *sums)
{
    for (int s = 0; s < SIZE; s++) sums[s] = n->bias;
    for (int k = n->first; k < n->last; k++) {
        const int16_t *x = values + (int64_t)c[k].source * SIZE;
        int32_t mask = c[k].mask, weight = c[k].weight;
        for (int s = 0; s < SIZE; s++) sums[s] += (x[s] & mask) * weight;
    }
}

static void show_small(const neuron *n, const int16_t *restrict sums, int16_t *restrict shown)
{
    int16_t shift = (int16_t)(n->shift < 15 ? n->shift : 15), top = (int16_t)n->top;
    for (int s = 0; s < SIZE; s++) {
        int16_t v = (int16_t)(sums[s] >> shift);
        v = v < 0 ? 0 : v;
        shown[s] = v > top ? top : v;
    }
}

static void show_large(const neuron *n, const int32_t *restrict sums, int16_t *restrict shown)
{
    int32_t shift = n->shift < 31 ? n->shift : 31, top = n->top;
    for (int s = 0; s < SIZE; s++) {
        int32_t v = sums[s] >> shift;
        v = v < 0 ? 0 : v;
        shown[s] = (int16_t)(v > top ? top : v);
    }
}

/* correct[genome] and, where `classes` is not null, classes[genome][chunk][SIZE]. Returns 0, or 1
   where memory ran out. */
int flow_count(const int32_t *genomes, int64_t population, int64_t genes, const int32_t *plan,
               const int16_t *inputs, const int32_t *labels, int64_t chunks, int64_t *correct,
               int16_t *classes)
{
    int64_t neurons = 0, connections = 0, widest = plan[1], values = plan[1];
    const int32_t *layer = plan + HEAD;
    for (int l = 0; l < plan[0]; l++, layer += LAYER) {
        neurons += layer[1];
        connections += (int64_t)layer[0] * layer[1];
        if (layer[1] > widest) widest = layer[1];
        values += layer[1];
    }
    neuron *all = malloc(neurons * sizeof *all);
    connection *joined = malloc((connections + 1) * sizeof *joined);
    int32_t *reads = malloc(values * sizeof *reads);
    int16_t *shown = malloc(values * SIZE * sizeof *shown);
    int32_t *scores = malloc(2 * (int64_t)plan[3] * SIZE * sizeof *scores);
    int32_t *winners = malloc(2 * (int64_t)plan[3] * SIZE * sizeof *winners);
    int32_t *order = malloc(plan[3] * sizeof *order);
    int16_t small[SIZE];
    int32_t large[SIZE];
    int failed = !all || !joined || !reads || !shown || !scores || !winners || !order;
    for (int64_t p = 0; p < population && !failed; p++) {
        const int32_t *genome = genomes + p * genes;
        int64_t hits = 0;
        read_genome(genome, plan, all, joined, reads);
        for (int64_t chunk = 0; chunk < chunks; chunk++) {
            const int16_t *from = inputs + chunk * plan[1] * SIZE;
            const neuron *n = all;
            int16_t *to = shown;
            layer = plan + HEAD;
            for (int l = 0; l < plan[0] - 1; l++, layer += LAYER) {
                for (int k = 0; k < layer[1]; k++, n++) {
                    if (n->small) {
                        sum_small(n, joined, from, small);
                        show_small(n, small, to + (int64_t)k * SIZE);
                    } else {
                        sum_large(n, joined, from, large);
                        show_large(n, large, to + (int64_t)k * SIZE);
                    }
                }
                from = to;
                to += (int64_t)layer[1] * SIZE;
            }
            for (int k = 0; k < layer[1]; k++, n++) {
                int32_t *score = scores + (int64_t)k * SIZE;
                if (n->small) {
                    sum_small(n, joined, from, small);
                    for (int s = 0; s < SIZE; s++) score[s] = small[s];
                } else {
                    sum_large(n, joined, from, score);
                }
            }
            if (plan[4] >= 0) tournament(genome, plan, scores, winners, order);
            else first_largest(scores, plan[3], large, winners);
            const int32_t *label = labels + chunk * SIZE;
            int32_t right = 0;
            for (int s = 0; s < SIZE; s++) right += winners[s] == label[s];
            hits += right;
            for (int s = 0; classes && s < SIZE; s++)
                classes[(p * chunks + chunk) * SIZE + s] = (int16_t)winners[s];
        }
        correct[p] = hits;
    }
    free(all); free(joined); free(reads); free(shown); free(scores); free(winners); free(order);
    return failed;
}
