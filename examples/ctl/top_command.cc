#include "examples/ctl/top_command.h"

#include <unistd.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/ctl/terminal.h"
#include "examples/ctl/top_frame.h"
#include "examples/ctl/unit_client.h"
#include "io/base/status_macros.h"
#include "lb/admin/v1.pb.h"

namespace ballast::ctl {
namespace {

using admin::proto::Status;

constexpr absl::Duration kPeriod = absl::Seconds(1);
// Keys are not read while a unit is asked.
constexpr absl::Duration kPatience = absl::Seconds(2);

absl::StatusOr<Output> Once(const Call& call) {
  BALLAST_ASSIGN_OR_RETURN(const Status status, GetStatus(call));
  std::string text;
  constexpr size_t kAll = 1'000'000;
  for (const TopLine& line : TopFrame({.now = &status}, kAll, kAll)) {
    absl::StrAppend(&text, line.text, "\n");
  }
  return Output(std::move(text));
}

}  // namespace

absl::StatusOr<Output> Top(const Call& call) {
  if (call.Has("--once") || !isatty(STDOUT_FILENO)) return Once(call);
  // Why not, before the screen is cleared.
  BALLAST_ASSIGN_OR_RETURN(std::optional<Status> now, GetStatus(call));
  absl::Time asked = absl::Now();
  BALLAST_ASSIGN_OR_RETURN(const std::unique_ptr<Terminal> terminal,
                           Terminal::Open());
  std::optional<Status> before;
  TopView view = {.now = &*now};
  for (;;) {
    const Terminal::Size size = terminal->size();
    BALLAST_RETURN_IF_ERROR(
        terminal->Draw(TopFrame(view, size.width, size.height)));
    const absl::Duration left = asked + kPeriod - absl::Now();
    const Terminal::Event event = terminal->Wait(left);
    if (event == Terminal::kEnd) return Output("");
    if (event == Terminal::kResize) continue;
    const absl::Time then = std::exchange(asked, absl::Now());
    auto next = GetStatus(call, kPatience);
    if (!next.ok()) {
      view.error = std::string(next.status().message());
      continue;
    }
    view.error.clear();
    before = std::exchange(now, *std::move(next));
    view.before = &*before;
    view.seconds = absl::ToDoubleSeconds(asked - then);
  }
}

}  // namespace ballast::ctl
