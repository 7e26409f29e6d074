#include "lb/l7/application_calls.h"

#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace ballast::l7 {
namespace {

// Empty: good.
std::string DenialError(const Denial& denial) {
  if (denial.status != 0 && (denial.status < 200 || denial.status > 599)) {
    return absl::StrCat("status ", denial.status, ": must be 200 to 599, or 0");
  }
  std::string error = FieldEditor::Check("Content-Type", denial.content_type);
  if (error.empty()) error = FieldEditor::Check("Location", denial.location);
  for (const auto& [name, value] : denial.fields) {
    if (!error.empty()) break;
    error = FieldEditor::Check(name, value);
    if (absl::EqualsIgnoreCase(name, "Content-Type") ||
        absl::EqualsIgnoreCase(name, "Location")) {
      error = absl::StrCat(name, ": must not be among the other fields");
    }
  }
  return error;
}

}  // namespace

std::optional<Denial> ApplicationCalls::CheckedOnRequest(
    const Asked& asked, http::RequestHead* request) {
  FieldEditor editor(&request->fields);
  auto answer = application_->OnRequest(asked, editor);
  std::string error = editor.error();
  if (error.empty() && answer) error = DenialError(*answer);
  if (!error.empty()) {
    CountError("OnRequest", error);
    return Denial{.status = 500};
  }
  answered_.Add(answer.has_value());
  return answer;
}

std::optional<PoolChooser::Picked> ApplicationCalls::CheckedPick(
    Instant now, const Asked& asked, PoolChooser* pool) {
  if (!pool->up()) return std::nullopt;
  pool->ListCandidates(now, &candidates_);
  const auto position = application_->Pick(asked, candidates_);
  if (!position) return std::nullopt;
  const auto picked = pool->PickAt(*position);
  (picked ? picked_ : picks_refused_).Add(1);
  return picked;
}

bool ApplicationCalls::CheckedOnResponse(const Asked& asked,
                                         const Endpoint& server,
                                         http::ResponseHead* response) {
  FieldEditor editor(&response->fields);
  application_->OnResponse(asked, server, *response, editor);
  if (editor.error().empty()) return true;
  CountError("OnResponse", editor.error());
  return false;
}

void ApplicationCalls::CountError(absl::string_view call,
                                  absl::string_view error) {
  errors_.Add(1);
  std::string text = absl::StrCat(call, ": ", error);
  const std::lock_guard lock(mutex_);
  last_error_.swap(text);
}

ApplicationStatistics ApplicationCalls::statistics() const {
  const std::lock_guard lock(mutex_);
  return {.answered = answered_.value(),
          .picked = picked_.value(),
          .picks_refused = picks_refused_.value(),
          .errors = errors_.value(),
          .last_error = last_error_};
}

}  // namespace ballast::l7
