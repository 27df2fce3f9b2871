/* A plain fault simulation: one fault at a time, one vector at a time, every gate of the netlist.
   Counts the vectors at which some output differs. Arrays as in flow/analysis/faults.c, but a value
   is a byte. */

#include <stdint.h>

long serial(int nets, int given, const int32_t *offset, const int32_t *inputs, const uint64_t *table,
            int outputs, const int32_t *output, int faults, const int32_t *start, const int32_t *net,
            const uint64_t *other, int vectors, const uint8_t *stimulus, uint8_t *good, uint8_t *bad)
{
    long differ = 0;
    for (int f = -1; f < faults; f++)
        for (int v = 0; v < vectors; v++) {
            uint8_t *value = f < 0 ? good + (long)v * nets : bad;
            value[0] = 0;
            value[1] = 1;
            for (int k = 2; k < nets; k++) {
                uint64_t own = table[k];
                if (f >= 0)
                    for (int i = start[f]; i < start[f + 1]; i++)
                        if (net[i] == k) own = other[i];
                if (k < given) {
                    value[k] = stimulus[(long)v * (given - 2) + k - 2];
                    if (f >= 0)
                        for (int i = start[f]; i < start[f + 1]; i++)
                            if (net[i] == k) value[k] = other[i] & 1;
                    continue;
                }
                int state = 0;
                for (int i = offset[k]; i < offset[k + 1]; i++)
                    state |= value[inputs[i]] << (i - offset[k]);
                value[k] = own >> state & 1;
            }
            int wrong = 0;
            for (int o = 0; o < outputs && f >= 0; o++)
                wrong |= value[output[o]] != good[(long)v * nets + output[o]];
            differ += wrong;
        }
    return differ;
}
