#include "lb/l7/counter_names.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lb/http/refusal.h"
#include "lb/l7/chooser.h"

namespace ballast::l7 {

void AddByName(const Counters& counters,
               std::map<std::string, uint64_t>* sums) {
  const auto add = [sums](std::string name, const Counter& counter) {
    const uint64_t count = counter.value();
    if (count > 0) (*sums)[std::move(name)] += count;
  };
  add("requests", counters.requests);
  add("responses", counters.responses);
  add("retries", counters.retries);
  add("denied", counters.denied);
  add("upgrades_ignored", counters.upgrades_ignored);
  add("heads_timed_out", counters.heads_timed_out);
  add("idle_closed", counters.idle_closed);
  for (size_t i = 0; i < http::kRefusalCount; ++i) {
    const auto name = http::RefusalName(static_cast<http::Refusal>(i));
    add(absl::StrCat("request_", name), counters.request_refused[i]);
    add(absl::StrCat("response_", name), counters.response_refused[i]);
  }
  for (size_t i = 0; i < counters.outcomes.size(); ++i) {
    add(std::string(OutcomeName(static_cast<Outcome>(i))),
        counters.outcomes[i]);
  }
  for (size_t i = 0; i < counters.replies.size(); ++i) {
    add(absl::StrCat("replied_", i, "xx"), counters.replies[i]);
  }
}

}  // namespace ballast::l7
