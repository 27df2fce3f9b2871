// Drives the chip in Verilator: tokens go in, answers come out, a line each.
//
// Arguments: heat, seed, a file for all that is written or "-", how many answers, 1 if every token
// of the prompt asks for one, and the tokens of the prompt. Lines are "answer clocks", "- clocks"
// where nothing was asked, and "full" where the caches are. The file gets 12 bytes for each word:
// its number in the program with the kind of memory above it, address, value.
#include "Vchip.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace {

const auto context = std::make_unique<VerilatedContext>();
const auto chip = std::make_unique<Vchip>(context.get());
std::FILE* trace = nullptr;
unsigned long long clocks = 0;

void tick() {
    chip->clk = 0;
    chip->eval();
    chip->clk = 1;
    chip->eval();
    ++clocks;
    if (trace && chip->seen_write) {
        const uint32_t record[3] = {chip->seen_word | uint32_t(chip->seen_write) << 24,
                                    chip->seen_address, chip->seen_value};
        std::fwrite(record, sizeof record, 1, trace);
    }
}

// The answer to a token; -1 where none is asked, -2 where the caches are full.
long answer(long token, bool first, bool ask) {
    chip->in_token = uint32_t(token);
    chip->in_first = first;
    chip->in_ask = ask;
    chip->in_valid = 1;
    chip->eval();
    if (!chip->in_ready) return -2;
    clocks = 0;
    tick();
    chip->in_valid = 0;
    while (!chip->out_valid && !chip->in_ready && !chip->full) tick();
    const unsigned long long taken = clocks;
    long found = -1;
    if (chip->out_valid) {
        found = chip->out_token;
        chip->out_ready = 1;
        tick();
        chip->out_ready = 0;
        std::printf("%ld %llu\n", found, taken);
    } else {
        std::printf("- %llu\n", taken);
    }
    std::fflush(stdout);
    return found;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 7) return 2;
    if (std::strcmp(argv[3], "-") != 0) trace = std::fopen(argv[3], "wb");
    const long count = std::atol(argv[4]);
    const bool every = std::atol(argv[5]) != 0;
    chip->heat = uint32_t(std::strtoul(argv[1], nullptr, 10));
    chip->seed = uint32_t(std::strtoul(argv[2], nullptr, 10));
    chip->in_valid = 0;
    chip->out_ready = 0;
    chip->rst = 1;
    for (int i = 0; i < 4; ++i) tick();
    chip->rst = 0;
    long token = -1;
    for (int i = 6; i < argc && token != -2; ++i)
        token = answer(std::atol(argv[i]), i == 6, every || (i + 1 == argc && count > 0));
    for (long i = 1; i < count && token >= 0; ++i) token = answer(token, false, true);
    if (token == -2) std::printf("full\n");
    if (trace) std::fclose(trace);
    chip->final();
    return 0;
}
