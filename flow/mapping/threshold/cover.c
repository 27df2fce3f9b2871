/* Covers an and-inverter graph with threshold functions of at most eight inputs.

   Priority cuts with area flow, then exact area (Mishchenko, Cho, Chatterjee, Brayton,
   "Combinational and sequential mapping with priority cuts", ICCAD 2007), where only cuts whose
   function is a threshold function may be chosen (Neutzling et al., "Threshold logic synthesis
   based on cut pruning", ICCAD 2015); the other cuts are kept for merging alone.

   A function of at most eight variables is a threshold function exactly if it is unate and its
   variables are ordered by strength (2-monotone): Muroga, "Threshold Logic", 1971. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST 8
#define LIST 96

typedef struct {
    uint64_t table[4];
    uint64_t sign;
    int32_t leaf[MOST];
    int32_t count;
    int32_t threshold;
    float flow;
} Cut;

static const uint64_t VARS[6] = {
    0xAAAAAAAAAAAAAAAAull, 0xCCCCCCCCCCCCCCCCull, 0xF0F0F0F0F0F0F0F0ull,
    0xFF00FF00FF00FF00ull, 0xFFFF0000FFFF0000ull, 0xFFFFFFFF00000000ull};

static uint64_t var_word(int v, int word)
{
    return v < 6 ? VARS[v] : (word >> (v - 6) & 1 ? ~0ull : 0ull);
}

/* Exchange variables i < j of a table. */
static void exchange(uint64_t *t, int i, int j)
{
    if (i == j)
        return;
    if (j < 6) {
        int s = (1 << j) - (1 << i);
        uint64_t m = VARS[i] & ~VARS[j];
        for (int k = 0; k < 4; k++) {
            uint64_t d = (t[k] ^ (t[k] >> s)) & m;
            t[k] ^= d ^ (d << s);
        }
    } else if (i < 6) {
        int step = 1 << (j - 6), s = 1 << i;
        for (int k = 0; k < 4; k++)
            if (!(k & step)) {
                uint64_t d = ((t[k + step] << s) ^ t[k]) & VARS[i];
                t[k] ^= d;
                t[k + step] ^= d >> s;
            }
    } else {
        uint64_t d = t[1];
        t[1] = t[2];
        t[2] = d;
    }
}

/* The table with variable v inverted. */
static void invert(uint64_t *t, int v)
{
    if (v < 6) {
        int s = 1 << v;
        for (int k = 0; k < 4; k++)
            t[k] = ((t[k] & VARS[v]) >> s) | ((t[k] & ~VARS[v]) << s);
    } else {
        int step = 1 << (v - 6);
        for (int k = 0; k < 4; k++)
            if (!(k & step)) {
                uint64_t d = t[k];
                t[k] = t[k + step];
                t[k + step] = d;
            }
    }
}

/* Bits: 1 where some point rises with variable v, 2 where some point falls. */
static int slope(const uint64_t *t, int v)
{
    uint64_t u[4];
    memcpy(u, t, sizeof u);
    invert(u, v);
    uint64_t up = 0, down = 0;
    for (int k = 0; k < 4; k++) {
        uint64_t m = var_word(v, k);
        up |= t[k] & ~u[k] & m;
        down |= u[k] & ~t[k] & m;
    }
    return (up ? 1 : 0) | (down ? 2 : 0);
}

/* Whether a function of at most eight variables is a threshold function. */
int is_threshold(const uint64_t *table, int n)
{
    uint64_t t[4];
    int size[MOST], order[MOST];
    memcpy(t, table, sizeof t);
    for (int v = 0; v < n; v++) {
        int s = slope(t, v);
        if (s == 3)
            return 0;
        if (s == 2)
            invert(t, v);
    }
    for (int v = 0; v < n; v++) {
        size[v] = 0;
        for (int k = 0; k < 4; k++)
            size[v] += __builtin_popcountll(t[k] & var_word(v, k));
        int at = v;
        while (at && size[order[at - 1]] < size[v]) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = v;
    }
    for (int k = 0; k + 1 < n; k++) {
        int strong = order[k], weak = order[k + 1];
        uint64_t u[4];
        memcpy(u, t, sizeof u);
        if (strong < weak)
            exchange(u, strong, weak);
        else
            exchange(u, weak, strong);
        for (int w = 0; w < 4; w++)
            if (u[w] & ~t[w] & var_word(strong, w) & ~var_word(weak, w))
                return 0;
    }
    return 1;
}

typedef struct {
    int inputs, gates, limit, keep;
    const int32_t *left, *right;
    Cut *cuts;            /* 2 * keep for each variable, the trivial one not among them */
    int32_t *counts;
    Cut *best;            /* of each variable */
    float *flow, *guess;  /* of each variable; guess is the expected fan-out */
    int32_t *refs;
} Map;

static int merge(const Cut *a, const Cut *b, int limit, Cut *out)
{
    if (__builtin_popcountll(a->sign | b->sign) > limit)
        return 0;
    int i = 0, j = 0, n = 0;
    while (i < a->count || j < b->count) {
        if (n == limit)
            return 0;
        if (j == b->count || (i < a->count && a->leaf[i] < b->leaf[j]))
            out->leaf[n++] = a->leaf[i++];
        else if (i == a->count || b->leaf[j] < a->leaf[i])
            out->leaf[n++] = b->leaf[j++];
        else {
            out->leaf[n++] = a->leaf[i++];
            j++;
        }
    }
    out->count = n;
    out->sign = a->sign | b->sign;
    return 1;
}

static void stretch(const Cut *a, const Cut *to, uint64_t *t)
{
    memcpy(t, a->table, 4 * sizeof *t);
    int at = to->count - 1;
    for (int k = a->count - 1; k >= 0; k--) {
        while (to->leaf[at] != a->leaf[k])
            at--;
        exchange(t, k, at);
    }
}

static void finish(Cut *c, const uint64_t *a, int ca, const uint64_t *b, int cb)
{
    for (int k = 0; k < 4; k++)
        c->table[k] = (ca ? ~a[k] : a[k]) & (cb ? ~b[k] : b[k]);
    int n = 0;
    for (int v = 0; v < c->count; v++) {
        if (!slope(c->table, v))
            continue;
        if (n != v) {
            exchange(c->table, n, v);
            c->leaf[n] = c->leaf[v];
        }
        n++;
    }
    c->count = n;
    c->sign = 0;
    for (int v = 0; v < n; v++)
        c->sign |= 1ull << (c->leaf[v] & 63);
}

static void trivial(int variable, Cut *c)
{
    memset(c, 0, sizeof *c);
    c->leaf[0] = variable;
    c->count = 1;
    c->sign = 1ull << (variable & 63);
    for (int k = 0; k < 4; k++)
        c->table[k] = VARS[0];
}

static float cut_flow(const Map *m, const Cut *c)
{
    float sum = c->threshold ? 1.0f : 2.0f;
    for (int k = 0; k < c->count; k++)
        sum += m->flow[c->leaf[k]] / m->guess[c->leaf[k]];
    return sum + 0.001f * c->count;
}

static int ref_cut(Map *m, const Cut *c)
{
    int area = 1;
    for (int k = 0; k < c->count; k++) {
        int v = c->leaf[k];
        if (!m->refs[v]++ && v > m->inputs)
            area += ref_cut(m, &m->best[v]);
    }
    return area;
}

static int deref_cut(Map *m, const Cut *c)
{
    int area = 1;
    for (int k = 0; k < c->count; k++) {
        int v = c->leaf[k];
        if (!--m->refs[v] && v > m->inputs)
            area += deref_cut(m, &m->best[v]);
    }
    return area;
}

static int inside(const Cut *small, const Cut *big)
{
    if (small->count > big->count || (small->sign & ~big->sign))
        return 0;
    for (int i = 0, j = 0; i < small->count; i++) {
        while (j < big->count && big->leaf[j] < small->leaf[i])
            j++;
        if (j == big->count || big->leaf[j] != small->leaf[i])
            return 0;
    }
    return 1;
}

/* Put a cut among those of one kind, the cheapest first; drop what it makes useless. */
static int insert(Cut *list, int count, int most, const Cut *c)
{
    for (int k = 0; k < count; k++)
        if (list[k].flow <= c->flow && inside(&list[k], c))
            return count;
    int kept = 0;
    for (int k = 0; k < count; k++)
        if (!(c->flow <= list[k].flow && inside(c, &list[k])))
            list[kept++] = list[k];
    int at = kept;
    while (at && list[at - 1].flow > c->flow)
        at--;
    if (at >= most)
        return kept;
    if (kept == most)
        kept--;
    memmove(list + at + 1, list + at, (size_t)(kept - at) * sizeof *list);
    list[at] = *c;
    return kept + 1;
}

static void visit(Map *m, int v, int exact)
{
    int a = m->left[v - m->inputs - 1], b = m->right[v - m->inputs - 1];
    static Cut good[LIST], other[LIST];
    Cut ta, tb, c;
    uint64_t sa[4], sb[4];
    int goods = 0, others = 0, keep = m->keep;
    trivial(a >> 1, &ta);
    trivial(b >> 1, &tb);
    int na = m->counts[a >> 1], nb = m->counts[b >> 1];
    size_t stride = 2 * (size_t)keep;
    const Cut *la = m->cuts + (size_t)(a >> 1) * stride, *lb = m->cuts + (size_t)(b >> 1) * stride;
    if (m->best[v].count) {
        c = m->best[v];
        c.flow = cut_flow(m, &c);
        goods = insert(good, goods, keep, &c);
    }
    for (int i = -1; i < na; i++)
        for (int j = -1; j < nb; j++) {
            const Cut *x = i < 0 ? &ta : la + i, *y = j < 0 ? &tb : lb + j;
            if (!merge(x, y, m->limit, &c))
                continue;
            c.threshold = 1;
            c.flow = cut_flow(m, &c);
            if (goods == keep && c.flow >= good[keep - 1].flow && others == keep &&
                c.flow + 1.0f >= other[keep - 1].flow)
                continue;
            stretch(x, &c, sa);
            stretch(y, &c, sb);
            finish(&c, sa, a & 1, sb, b & 1);
            if (c.count < 2)
                continue;
            c.threshold = 1;
            c.flow = cut_flow(m, &c);
            if (goods == keep && c.flow >= good[keep - 1].flow && others == keep &&
                c.flow + 1.0f >= other[keep - 1].flow)
                continue;
            c.threshold = is_threshold(c.table, c.count);
            if (c.threshold)
                goods = insert(good, goods, keep, &c);
            else {
                c.flow += 1.0f;
                others = insert(other, others, keep, &c);
            }
        }
    Cut *own = m->cuts + (size_t)v * stride;
    memcpy(own, good, (size_t)goods * sizeof *own);
    memcpy(own + goods, other, (size_t)others * sizeof *own);
    m->counts[v] = goods + others;
    int pick = 0;
    if (exact) {
        if (m->refs[v])
            deref_cut(m, &m->best[v]);
        float least = 1e30f;
        for (int k = 0; k < goods; k++) {
            int area = ref_cut(m, good + k);
            deref_cut(m, good + k);
            float cost = (float)area + 0.001f * good[k].count + 0.00001f * good[k].flow;
            if (cost < least) {
                least = cost;
                pick = k;
            }
        }
        m->best[v] = good[pick];
        if (m->refs[v])
            ref_cut(m, &m->best[v]);
    } else
        m->best[v] = good[pick];
    m->flow[v] = cut_flow(m, &m->best[v]);
}

/* Cover the graph. `roots` are the variables to make. `chosen` gets, for each gate, the number of
   leaves (0 where the gate is not made), `leaves` and `tables` what they are. The number made. */
int cover(int inputs, int gates, const int32_t *left, const int32_t *right, int roots,
          const int32_t *root, int limit, int keep, int flows, int exacts, int32_t *chosen,
          int32_t *leaves, uint64_t *tables)
{
    int total = 1 + inputs + gates;
    if (keep > LIST / 2)
        keep = LIST / 2;
    Map m = {inputs, gates, limit, keep, left, right,
             malloc((size_t)total * 2 * (size_t)keep * sizeof(Cut)), calloc(total, sizeof(int32_t)),
             calloc(total, sizeof(Cut)), calloc(total, sizeof(float)),
             calloc(total, sizeof(float)), calloc(total, sizeof(int32_t))};
    for (int k = 0; k < gates; k++) {
        m.guess[left[k] >> 1] += 1.0f;
        m.guess[right[k] >> 1] += 1.0f;
    }
    for (int k = 0; k < roots; k++)
        m.guess[root[k]] += 1.0f;
    for (int v = 0; v < total; v++)
        if (m.guess[v] < 1.0f)
            m.guess[v] = 1.0f;
    for (int pass = 0; pass < flows + exacts; pass++) {
        for (int v = inputs + 1; v < total; v++)
            visit(&m, v, pass >= flows);
        memset(m.refs, 0, (size_t)total * sizeof(int32_t));
        for (int k = 0; k < roots; k++)
            if (!m.refs[root[k]]++ && root[k] > inputs)
                ref_cut(&m, &m.best[root[k]]);
        for (int v = 0; v < total; v++) {
            float seen = m.refs[v] ? (float)m.refs[v] : 1.0f;
            m.guess[v] = (2.0f * m.guess[v] + seen) / 3.0f;
        }
    }
    int made = 0;
    for (int k = 0; k < gates; k++) {
        int v = inputs + 1 + k;
        chosen[k] = m.refs[v] ? m.best[v].count : 0;
        made += m.refs[v] > 0;
        memcpy(leaves + (size_t)k * MOST, m.best[v].leaf, MOST * sizeof(int32_t));
        memcpy(tables + (size_t)k * 4, m.best[v].table, 4 * sizeof(uint64_t));
    }
    free(m.cuts), free(m.counts), free(m.best), free(m.flow), free(m.guess), free(m.refs);
    return made;
}
