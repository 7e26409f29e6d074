#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "examples/session_load.h"

namespace ballast::testbed {
namespace {

std::string Quoted(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      absl::StrAppend(&quoted, "\\", std::string(1, c));
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", c);
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

std::string Ms(absl::Duration duration) {
  return absl::StrFormat("%.1f", absl::ToDoubleMilliseconds(duration));
}

}  // namespace

const char* SessionLossName(SessionLoss loss) {
  switch (loss) {
    case SessionLoss::kNotConnected:
      return "not_connected";
    case SessionLoss::kReset:
      return "reset";
    case SessionLoss::kClosed:
      return "closed";
    case SessionLoss::kTimedOut:
      return "timed_out";
    case SessionLoss::kWrongBytes:
      return "wrong_bytes";
    case SessionLoss::kUnanswered:
      return "unanswered";
  }
  return "?";
}

std::string SessionReport::ToJson() const {
  std::vector<std::string> by, window_texts, loss_texts;
  for (size_t i = 0; i < lost_by.size(); ++i) {
    by.push_back(
        absl::StrCat(Quoted(SessionLossName(SessionLoss(i))), ":", lost_by[i]));
  }
  for (const SessionWindow& window : windows) {
    window_texts.push_back(absl::StrCat(
        "{\"name\":", Quoted(window.name), ",\"length_ms\":", Ms(window.length),
        ",\"longest_gap_ms\":", Ms(window.longest_gap), ",\"longest_session\":",
        Quoted(window.longest_session), ",\"blocks\":", window.blocks,
        ",\"answered\":", window.answered, ",\"lost\":", window.lost, "}"));
  }
  for (const LostSession& loss : losses) {
    loss_texts.push_back(absl::StrCat(
        "{\"session\":", Quoted(loss.session), ",\"loss\":",
        Quoted(SessionLossName(loss.loss)), ",\"window\":", Quoted(loss.window),
        ",\"at_ms\":", Ms(loss.at), ",\"detail\":", Quoted(loss.detail), "}"));
  }
  return absl::StrCat("{\"sessions\":", sessions, ",\"completed\":", completed,
                      ",\"lost\":", lost, ",\"lost_by\":{",
                      absl::StrJoin(by, ","), "},\"blocks_sent\":", blocks_sent,
                      ",\"blocks_held\":", blocks_held,
                      ",\"bytes_verified\":", bytes_verified, ",\"windows\":[",
                      absl::StrJoin(window_texts, ","), "],\"losses\":[",
                      absl::StrJoin(loss_texts, ","), "]}");
}

}  // namespace ballast::testbed
