/* Simulates a netlist of truth tables under faults, 64 samples a word: see fault_simulation.py.

   Net k reads inputs[offset[k]] up to inputs[offset[k + 1]], and is bit s of table[k], where bit i
   of s is the value of its i-th input; it is read by readers[reader[k]] and up. Nets stand behind
   what they read. A fault gives the nets net[f] in start[i] .. start[i + 1] other tables. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 6 };

#define STEP(count)                                                                              \
    for (int j = 0; j < (count); j++) m[j] = m[2 * j] ^ ((m[2 * j] ^ m[2 * j + 1]) & x);

static inline void several(int inputs, uint64_t table, const uint64_t *const *in, uint64_t *out,
                           int words)
{
    for (int w = 0; w < words; w++) {
        uint64_t m[1 << (MOST - 1)];
        uint64_t x = in[0][w];
        for (int j = 0; j < 1 << (inputs - 1); j++) {
            uint64_t low = -(table >> 2 * j & 1), high = -(table >> (2 * j + 1) & 1);
            m[j] = low ^ ((low ^ high) & x);
        }
        for (int i = 1; i < inputs; i++) {
            x = in[i][w];
            STEP(1 << (inputs - 1 - i))
        }
        out[w] = m[0];
    }
}

static void evaluate(int inputs, uint64_t table, const uint64_t *const *in, uint64_t *out, int words)
{
    switch (inputs) {
    case 0:
        for (int w = 0; w < words; w++) out[w] = -(table & 1);
        break;
    case 1: several(1, table, in, out, words); break;
    case 2: several(2, table, in, out, words); break;
    case 3: several(3, table, in, out, words); break;
    case 4: several(4, table, in, out, words); break;
    case 5: several(5, table, in, out, words); break;
    default: several(6, table, in, out, words);
    }
}

/* The values of every net; rows of the `given` first nets are there already. */
void simulate(int nets, int given, int words, const int32_t *offset, const int32_t *inputs,
              const uint64_t *table, uint64_t *value)
{
    for (int k = given; k < nets; k++) {
        const uint64_t *in[MOST];
        int count = offset[k + 1] - offset[k];
        for (int i = 0; i < count; i++) in[i] = value + (size_t)inputs[offset[k] + i] * words;
        evaluate(count, table[k], in, value + (size_t)k * words, words);
    }
}

/* Words of the outputs under each fault into answers[fault][output][word], and into
   seen[fault][word] the samples at which some output differs; either may be null. 0, or -1 without
   memory. */
int faults(int nets, int words, const int32_t *offset, const int32_t *inputs, const uint64_t *table,
           const int32_t *reader, const int32_t *readers, const uint64_t *good, int outputs,
           const int32_t *output, int count, const int32_t *start, const int32_t *net,
           const uint64_t *other, uint64_t *answers, uint64_t *seen)
{
    size_t line = sizeof(uint64_t) * words;
    int blocks = nets / 64 + 1, status = -1;
    uint64_t *bad = malloc(line * nets), *due = calloc(blocks, sizeof *due);
    unsigned char *wrong = calloc(nets, 1), *mine = calloc(nets, 1);
    int32_t *list = malloc(sizeof *list * nets);
    if (!bad || !due || !wrong || !mine || !list) goto end;
    for (int f = 0; f < count; f++) {
        int changed = 0, low = blocks;
        for (int i = start[f]; i < start[f + 1]; i++) {
            due[net[i] >> 6] |= 1ull << (net[i] & 63);
            mine[net[i]] = 1;
            if (net[i] >> 6 < low) low = net[i] >> 6;
        }
        for (int b = low; b < blocks; b++) {
            while (due[b]) {
                int k = 64 * b + __builtin_ctzll(due[b]);
                due[b] &= due[b] - 1;
                const uint64_t *in[MOST];
                int fan = offset[k + 1] - offset[k];
                for (int i = 0; i < fan; i++) {
                    int x = inputs[offset[k] + i];
                    in[i] = (wrong[x] ? bad : good) + (size_t)x * words;
                }
                uint64_t own = table[k];
                if (mine[k])
                    for (int i = start[f]; i < start[f + 1]; i++)
                        if (net[i] == k) own = other[i];
                uint64_t *out = bad + (size_t)k * words;
                evaluate(fan, own, in, out, words);
                if (!memcmp(out, good + (size_t)k * words, line)) continue;
                wrong[k] = 1;
                list[changed++] = k;
                for (int i = reader[k]; i < reader[k + 1]; i++)
                    due[readers[i] >> 6] |= 1ull << (readers[i] & 63);
            }
        }
        for (int o = 0; answers && o < outputs; o++)
            memcpy(answers + ((size_t)f * outputs + o) * words,
                   (wrong[output[o]] ? bad : good) + (size_t)output[o] * words, line);
        if (seen) {
            uint64_t *row = seen + (size_t)f * words;
            memset(row, 0, line);
            for (int o = 0; o < outputs; o++)
                if (wrong[output[o]])
                    for (int w = 0; w < words; w++)
                        row[w] |= bad[(size_t)output[o] * words + w] ^ good[(size_t)output[o] * words + w];
        }
        for (int i = 0; i < changed; i++) wrong[list[i]] = 0;
        for (int i = start[f]; i < start[f + 1]; i++) mine[net[i]] = 0;
    }
    status = 0;
end:
    free(bad);
    free(due);
    free(wrong);
    free(mine);
    free(list);
    return status;
}
