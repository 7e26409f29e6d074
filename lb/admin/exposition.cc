#include "lb/admin/exposition.h"

#include "absl/strings/str_cat.h"

namespace ballast::admin {
namespace {

void AppendEscaped(absl::string_view text, std::string* to) {
  for (const char c : text) {
    if (c == '\n') {
      to->append("\\n");
      continue;
    }
    if (c == '\\' || c == '"') to->push_back('\\');
    to->push_back(c);
  }
}

std::string LabelText(const Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (value.empty()) continue;
    absl::StrAppend(&text, text.empty() ? "{" : ",", name, "=\"");
    AppendEscaped(value, &text);
    text.push_back('"');
  }
  if (!text.empty()) text.push_back('}');
  return text;
}

}  // namespace

void MetricFamily::Add(const Labels& labels, uint64_t value) {
  std::string text = LabelText(labels);
  const auto [place, is_new] = places_.try_emplace(text, samples_.size());
  if (is_new) samples_.emplace_back(std::move(text), 0);
  samples_[place->second].second += value;
}

void MetricFamily::AppendTo(std::string* page) const {
  if (samples_.empty()) return;
  absl::StrAppend(page, "# HELP ", name_, " ", help_, "\n# TYPE ", name_, " ",
                  type_ == Type::kCounter ? "counter" : "gauge", "\n");
  for (const auto& [labels, value] : samples_) {
    absl::StrAppend(page, name_, labels, " ", value, "\n");
  }
}

}  // namespace ballast::admin
