// What code of hls4ml for oneAPI uses of SYCL, for a plain compiler: pipes are queues.
#pragma once
#include <queue>
#define SYCL_EXTERNAL
namespace sycl {
struct queue {};
namespace ext {
namespace oneapi {
namespace experimental {
struct properties_tag {};
struct properties {
    template <class... T> properties(T...) {}
};
} // namespace experimental
} // namespace oneapi
namespace intel {
namespace experimental {
template <class...> struct property {};
template <int> constexpr property<> ready_latency{};
template <class... T> constexpr property<T...> streaming_interface{};
template <class... T> constexpr property<T...> pipelined{};
template <class Id, class T, int N, class P> struct pipe {
    static std::queue<T> &values() {
        static std::queue<T> all;
        return all;
    }
    static T read() {
        T first = values().front();
        values().pop();
        return first;
    }
    static void write(const T &value) { values().push(value); }
};
template <auto &F> struct task_sequence {};
} // namespace experimental
} // namespace intel
} // namespace ext
} // namespace sycl
