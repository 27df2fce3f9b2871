// The moving parts of the Verilator bench: words of any width, and the three ways to apply them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "verilated.h"

namespace flow_bench {

// A word of any width, 32 bits an element, the lowest first.
using Word = std::vector<std::uint32_t>;

// `count` (at most 32) bits of a word from bit `offset`.
inline std::uint32_t take(const Word& word, int offset, int count) {
    std::uint64_t pair = word[offset / 32];
    if (static_cast<std::size_t>(offset / 32 + 1) < word.size())
        pair |= static_cast<std::uint64_t>(word[offset / 32 + 1]) << 32;
    return static_cast<std::uint32_t>((pair >> (offset % 32)) &
                                      ((std::uint64_t{1} << count) - 1));
}

inline void give(Word& word, int offset, int count, std::uint32_t bits) {
    const std::uint64_t pair = static_cast<std::uint64_t>(bits) << (offset % 32);
    word[offset / 32] |= static_cast<std::uint32_t>(pair);
    if (offset % 32 + count > 32) word[offset / 32 + 1] |= static_cast<std::uint32_t>(pair >> 32);
}

template <class T>
void put(T& port, const Word& word, int offset, int width) {
    std::uint64_t value = 0;
    for (int low = 0; low < width; low += 32)
        value |= static_cast<std::uint64_t>(take(word, offset + low, std::min(32, width - low)))
                 << low;
    port = static_cast<T>(value);
}

template <std::size_t N>
void put(VlWide<N>& port, const Word& word, int offset, int width) {
    for (int low = 0; low < width; low += 32)
        port[low / 32] = take(word, offset + low, std::min(32, width - low));
}

template <class T>
void get(const T& port, Word& word, int offset, int width) {
    for (int low = 0; low < width; low += 32)
        give(word, offset + low, std::min(32, width - low),
             static_cast<std::uint32_t>(static_cast<std::uint64_t>(port) >> low));
}

template <std::size_t N>
void get(const VlWide<N>& port, Word& word, int offset, int width) {
    for (int low = 0; low < width; low += 32)
        give(word, offset + low, std::min(32, width - low), port[low / 32]);
}

inline std::string hex(const Word& word, int width) {
    std::string text;
    for (int digit = (width + 3) / 4 - 1; digit >= 0; --digit)
        text += "0123456789abcdef"[take(word, 4 * digit, 4)];
    return text;
}

inline bool read_words(const char* path, std::vector<Word>& words) {
    std::ifstream file(path);
    if (!file) {
        std::printf("FAIL cannot read %s\n", path);
        return false;
    }
    for (std::string line; std::getline(file, line);) {
        Word word(line.size() / 8 + 1);
        int bit = 0;
        for (auto c = line.rbegin(); c != line.rend(); ++c, bit += 4)
            give(word, bit, 4,
                 static_cast<std::uint32_t>(*c <= '9' ? *c - '0' : (*c | 32) - 'a' + 10));
        words.push_back(word);
    }
    return true;
}

class Bench {
public:
    // The first `samples` words are samples, the others probes.
    Bench(int out_width, std::size_t samples) : out_width_(out_width), samples_(samples) {}

    bool read(const char* inputs, const char* expected) {
        return read_words(inputs, inputs_) && read_words(expected, expected_);
    }

    template <class Dut, class Put, class Got>
    int combinational(Dut& dut, Put put, Got got) {
        while (taken_ < inputs_.size()) {
            put(inputs_[taken_]);
            dut.eval();
            check(got());
        }
        dut.final();
        return verdict();
    }

    template <class Dut, class Put, class Got>
    int clocked(Dut& dut, Put put, Got got, std::size_t latency) {
        for (std::size_t cycle = 0; cycle < inputs_.size() + latency; ++cycle) {
            if (cycle < inputs_.size()) put(inputs_[cycle]);
            dut.clk = 0;
            dut.eval();
            if (cycle >= latency) check(got());
            dut.clk = 1;
            dut.eval();
        }
        dut.final();
        return verdict();
    }

    // Words come with gaps and results are taken with pauses, both from one seed.
    template <class Dut, class Put, class Got>
    int handshake(Dut& dut, Put put, Got got, std::uint32_t seed, long patience, int drain) {
        std::uint32_t chance = seed * 2654435761u + 1u;
        const auto draw = [&]() {  // xorshift of 32 bits: Marsaglia, J. Stat. Soft. 8(14), 2003
            chance ^= chance << 13;
            chance ^= chance >> 17;
            chance ^= chance << 5;
            return (chance >> 9 & 3u) != 0;
        };
        dut.in_valid = dut.out_ready = 0;
        std::size_t sent = 0;
        int idle = 0;
        bool offered = false;
        for (long cycle = 0; idle <= drain; ++cycle) {
            dut.rst = cycle < 3;
            if (!dut.rst) {
                if (!offered) offered = sent < inputs_.size() && draw();
                if (offered) put(inputs_[sent]);
                dut.in_valid = offered;
                dut.out_ready = draw();
            }
            dut.clk = 0;
            dut.eval();
            if (!dut.rst) {
                if (dut.out_valid && dut.out_ready) check(got());
                if (dut.in_valid && dut.in_ready) ++sent, offered = false;
                if (taken_ >= inputs_.size()) ++idle;
            }
            dut.clk = 1;
            dut.eval();
            if (cycle > patience) {
                std::printf("STALL after %zu of %zu samples\n", taken_, inputs_.size());
                ++failures_;
                break;
            }
        }
        dut.final();
        return verdict();
    }

private:
    void check(const Word& got) {
        if (taken_ >= expected_.size()) {
            std::printf("SURPLUS result after sample %zu\n", expected_.size() - 1);
            ++failures_;
        } else if (hex(got, out_width_) != hex(expected_[taken_], out_width_)) {
            const bool probe = taken_ >= samples_;
            if (!failures_ && !missed_)
                std::printf("MISMATCH %s %zu expected %s got %s\n", probe ? "probe" : "sample",
                            probe ? taken_ - samples_ : taken_,
                            hex(expected_[taken_], out_width_).c_str(),
                            hex(got, out_width_).c_str());
            ++(probe ? missed_ : failures_);
        }
        ++taken_;
    }

    int verdict() const {
        const bool failed = failures_ || missed_;
        const char* word = failed ? "FAIL" : "PASS";
        const std::size_t own = std::min(samples_, inputs_.size());
        const std::size_t probes = inputs_.size() - own;
        std::printf("%s %zu of %zu", word, failed ? failures_ : std::min(taken_, own), own);
        if (probes)
            std::printf(" samples, %zu of %zu probes", failed ? missed_ : taken_ - own, probes);
        std::printf("\n");
        return failed ? 1 : 0;
    }

    int out_width_;
    std::vector<Word> inputs_, expected_;
    std::size_t samples_, taken_ = 0, failures_ = 0, missed_ = 0;
};

}  // namespace flow_bench
