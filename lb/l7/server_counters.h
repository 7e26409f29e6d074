// What goes to one server, counted by each thread for itself and read by all:
// how a thread's scheduler and connection limits see the others.
//
// Lives    as long as anybody has it: a configuration's plan, and connections
//          that are still counted in it.
// Threads  of(i): its writer is thread i alone. Reading: any.
#ifndef LB_L7_SERVER_COUNTERS_H_
#define LB_L7_SERVER_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lb/l4/counters.h"

namespace ballast::l7 {

using l4::Counter;

class ServerCounters {
 public:
  struct alignas(64) OfThread {
    Counter open;         // Requests and streams under way.
    Counter requests;     // And streams, ever.
    Counter persisted;    // Of those, by a persistence entry.
    Counter connections;  // TCP connections made, ever.
    Counter bytes_in;     // To the server,
    Counter bytes_out;    // from it.
  };

  explicit ServerCounters(size_t threads) : threads_(threads) {}

  OfThread& of(size_t thread) { return threads_[thread]; }
  uint64_t Sum(Counter OfThread::*counter) const {
    uint64_t sum = 0;
    for (const OfThread& thread : threads_) sum += (thread.*counter).value();
    return sum;
  }
  // Open at all threads but this one.
  uint64_t OpenElsewhere(size_t thread) const {
    return Sum(&OfThread::open) - threads_[thread].open.value();
  }
  size_t threads() const { return threads_.size(); }
  // With what is open, as it is now.
  std::shared_ptr<ServerCounters> Clone() const {
    auto copy = std::make_shared<ServerCounters>(threads());
    for (size_t i = 0; i < threads(); ++i) {
      copy->of(i).open.Add(threads_[i].open.value());
    }
    return copy;
  }

 private:
  std::vector<OfThread> threads_;
};

}  // namespace ballast::l7

#endif  // LB_L7_SERVER_COUNTERS_H_
