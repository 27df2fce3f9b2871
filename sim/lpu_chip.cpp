// Drives the chip in Verilator: tokens come on standard input, answers go to standard output.
//
// A line "token first ask" gives "answer clocks", and "- clocks" where nothing is asked. Arguments:
// heat, seed, and a file that gets all that is written, 12 bytes each: number of the word with the
// kind above it, address, value.
#include "Vchip.h"
#include "verilated.h"
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

int main(int argc, char** argv) {
    if (argc < 3) return 2;
    const auto context = std::make_unique<VerilatedContext>();
    const auto chip = std::make_unique<Vchip>(context.get());
    std::FILE* const trace = argc > 3 ? std::fopen(argv[3], "wb") : nullptr;
    uint64_t clocks = 0;
    const auto tick = [&] {
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
    };
    chip->heat = std::strtoul(argv[1], nullptr, 10);
    chip->seed = std::strtoul(argv[2], nullptr, 10);
    chip->in_valid = 0;
    chip->out_ready = 0;
    chip->rst = 1;
    for (int i = 0; i < 4; ++i) tick();
    chip->rst = 0;
    unsigned token, first, ask;
    while (std::scanf("%u %u %u", &token, &first, &ask) == 3) {
        chip->in_token = token;
        chip->in_first = first;
        chip->in_ask = ask;
        chip->in_valid = 1;
        chip->clk = 0;
        chip->eval();
        if (!chip->in_ready) {
            std::printf("full\n");
            std::fflush(stdout);
            return 0;
        }
        clocks = 0;
        tick();
        chip->in_valid = 0;
        while (!chip->out_valid && !chip->in_ready) tick();
        if (chip->out_valid) {
            std::printf("%u %llu\n", chip->out_token, static_cast<unsigned long long>(clocks));
            chip->out_ready = 1;
            tick();
            chip->out_ready = 0;
        } else {
            std::printf("- %llu\n", static_cast<unsigned long long>(clocks));
        }
        std::fflush(stdout);
        if (trace) std::fflush(trace);
    }
    if (trace) std::fclose(trace);
    chip->final();
    return 0;
}
