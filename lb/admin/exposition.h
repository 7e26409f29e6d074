// A page of metrics in Prometheus' text format, as families: a name, its help
// and type, and samples that differ in their labels.
//
// Labels   escaped here; an empty value is left out, as it means the same.
//          Samples of one family with the same labels are added up: a page
//          never has a series twice.
// Source   Prometheus, "Exposition formats", text format 0.0.4.
#ifndef LB_ADMIN_EXPOSITION_H_
#define LB_ADMIN_EXPOSITION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace ballast::admin {

inline constexpr absl::string_view kExpositionType =
    "text/plain; version=0.0.4; charset=utf-8";

using Labels = std::vector<std::pair<absl::string_view, absl::string_view>>;

class MetricFamily {
 public:
  enum class Type : uint8_t { kCounter, kGauge };

  // `name` and `help` are ours and need no escaping.
  MetricFamily(absl::string_view name, Type type, absl::string_view help)
      : name_(name), help_(help), type_(type) {}

  void Add(const Labels& labels, uint64_t value);

  // Nothing if there are no samples.
  void AppendTo(std::string* page) const;

 private:
  std::string name_;
  std::string help_;
  Type type_;
  std::vector<std::pair<std::string, uint64_t>> samples_;  // By labels.
  absl::flat_hash_map<std::string, size_t> places_;
};

}  // namespace ballast::admin

#endif  // LB_ADMIN_EXPOSITION_H_
