// The sessions of examples/session_load.h for a test in another language.
//
//   sessions serve PORT              prints "serving", runs until SIGTERM
//   sessions client GROUP...         NAME,SERVER:PORT,COUNT,INTERVAL_MS or
//                                    NAME,SERVER:PORT,COUNT,INTERVAL_MS,SOURCE
//       [--source=ADDRESS,...]       one for all groups of its family else
//
// The client prints "established", or why not, then obeys lines of standard
// input, one line of answer each:
//   window NAME        ok
//   now                {"sessions":200,"alive":200,"answered":..,"lost":0,...}
//   finish SECONDS     the report, as SessionReport::ToJson(); then it ends
#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <iostream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "examples/session_load.h"
#include "io/base/address.h"
#include "io/base/status_macros.h"

namespace ballast {
namespace {

using testbed::SessionClient;
using testbed::SessionGroup;
using testbed::SessionServer;
using testbed::SessionStatus;

constexpr absl::Duration kEstablishPatience = absl::Seconds(20);

void Say(absl::string_view line) {
  absl::PrintF("%s\n", line);
  std::fflush(stdout);
}

absl::Status Serve(absl::string_view port_text) {
  uint32_t port;
  if (!absl::SimpleAtoi(port_text, &port)) {
    return absl::InvalidArgumentError(absl::StrCat("port ", port_text));
  }
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);  // In the server's thread, too.
  BALLAST_ASSIGN_OR_RETURN(const std::unique_ptr<SessionServer> server,
                           SessionServer::Start(static_cast<uint16_t>(port)));
  Say("serving");
  int signal;
  sigwait(&ends, &signal);
  const SessionServer::Counts counts = server->counts();
  Say(
      absl::StrFormat("{\"accepted\":%d,\"refused\":%d,\"ended\":%d,"
                      "\"failed\":%d,\"bytes\":%d}",
                      counts.accepted, counts.refused, counts.ended,
                      counts.failed, counts.bytes));
  return absl::OkStatus();
}

absl::StatusOr<SessionGroup> ParseGroup(absl::string_view text,
                                        const std::vector<Address>& sources) {
  const std::vector<std::string> fields = absl::StrSplit(text, ',');
  SessionGroup group;
  int64_t interval_ms;
  if (fields.size() < 4 || fields.size() > 5 ||
      !absl::SimpleAtoi(fields[2], &group.count) ||
      !absl::SimpleAtoi(fields[3], &interval_ms)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "group ", text, ", must be NAME,SERVER,COUNT,MS[,SOURCE]"));
  }
  group.name = fields[0];
  group.interval = absl::Milliseconds(interval_ms);
  BALLAST_ASSIGN_OR_RETURN(group.server, Endpoint::Parse(fields[1]));
  for (const Address& source : sources) {
    if (source.is_v4() == group.server.address.is_v4()) group.source = source;
  }
  if (fields.size() == 5) {
    BALLAST_ASSIGN_OR_RETURN(group.source, Address::Parse(fields[4]));
  }
  return group;
}

std::string Line(const SessionStatus& now) {
  return absl::StrFormat(
      "{\"sessions\":%d,\"alive\":%d,\"answered\":%d,\"lost\":%d,"
      "\"bytes_verified\":%d,\"gap_now_ms\":%.1f,\"longest_gap_ms\":%.1f}",
      now.sessions, now.alive, now.answered, now.lost, now.bytes_verified,
      absl::ToDoubleMilliseconds(now.gap_now),
      absl::ToDoubleMilliseconds(now.longest_gap));
}

absl::Status Load(const std::vector<absl::string_view>& arguments) {
  SessionClient::Options options;
  std::vector<Address> sources;
  for (absl::string_view argument : arguments) {
    if (!absl::ConsumePrefix(&argument, "--source=")) continue;
    for (const absl::string_view text : absl::StrSplit(argument, ',')) {
      BALLAST_ASSIGN_OR_RETURN(const Address source, Address::Parse(text));
      sources.push_back(source);
    }
  }
  for (const absl::string_view argument : arguments) {
    if (absl::StartsWith(argument, "--")) continue;
    BALLAST_ASSIGN_OR_RETURN(SessionGroup group, ParseGroup(argument, sources));
    options.groups.push_back(std::move(group));
  }
  BALLAST_ASSIGN_OR_RETURN(const std::unique_ptr<SessionClient> client,
                           SessionClient::Start(std::move(options)));
  BALLAST_RETURN_IF_ERROR(client->AwaitEstablished(kEstablishPatience));
  Say("established");
  std::string line;
  while (std::getline(std::cin, line)) {
    absl::string_view rest = line;
    int64_t seconds;
    if (absl::ConsumePrefix(&rest, "window ")) {
      client->BeginWindow(std::string(rest));
      Say("ok");
    } else if (rest == "now") {
      Say(Line(client->Now()));
    } else if (absl::ConsumePrefix(&rest, "finish ") &&
               absl::SimpleAtoi(rest, &seconds)) {
      Say(client->Finish(absl::Seconds(seconds)).ToJson());
      return absl::OkStatus();
    } else {
      return absl::InvalidArgumentError(absl::StrCat("command ", line));
    }
  }
  return absl::OkStatus();
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) {
  const std::vector<absl::string_view> words(argv + 1, argv + argc);
  absl::Status status =
      absl::InvalidArgumentError("sessions serve PORT | client GROUP...");
  if (words.size() == 2 && words[0] == "serve") {
    status = ballast::Serve(words[1]);
  } else if (words.size() > 1 && words[0] == "client") {
    status = ballast::Load({words.begin() + 1, words.end()});
  }
  if (status.ok()) return 0;
  absl::PrintF("%s\n", status.ToString());
  return 1;
}
