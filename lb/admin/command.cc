#include "lb/admin/command.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ballast::admin {
namespace {

// Values that are not to be written down.
bool IsSecret(absl::string_view name) {
  return absl::EqualsIgnoreCase(name, "apikey") ||
         absl::EqualsIgnoreCase(name, "apipass") ||
         absl::EqualsIgnoreCase(name, "key") ||
         absl::EqualsIgnoreCase(name, "data");
}

// "modvs vs=7 Schedule=lc", one line that is not too long.
std::string WhatOf(const Call& call) {
  constexpr size_t kMax = 240;
  std::string what = call.command;
  for (const auto& [name, value] : call.parameters) {
    if (IsSecret(name) || absl::EqualsIgnoreCase(name, "apiuser") ||
        absl::EqualsIgnoreCase(name, "cmd")) {
      continue;
    }
    absl::StrAppend(&what, " ", name, "=", value);
    if (what.size() > kMax) {
      what.resize(kMax);
      what += "...";
      break;
    }
  }
  for (char& c : what) {
    if (static_cast<unsigned char>(c) < 0x20) c = ' ';
  }
  return what;
}

}  // namespace

Author AuthorOf(const Call& call) {
  return {.user = call.who.Author(), .from = call.from};
}

Context::Context(Backend& backend, const Call& call, const ApiOptions& options)
    : backend_(backend),
      call_(call),
      options_(options),
      config_(backend.configuration()) {
  AssignIndices(&config_);
  before_ = config_.SerializeAsString();
}

absl::Status Context::Commit() {
  std::string after = config_.SerializeAsString();
  if (after == before_) return absl::OkStatus();
  const absl::Status changed =
      backend_.Change(config_, WhatOf(call_), AuthorOf(call_));
  if (!changed.ok()) return changed;
  before_ = std::move(after);
  has_statistics_ = false;
  return absl::OkStatus();
}

const Statistics& Context::statistics() {
  if (!has_statistics_) statistics_ = backend_.GetStatistics();
  has_statistics_ = true;
  return statistics_;
}

}  // namespace ballast::admin
