// Shows how source IP hash deals its 4096 slots: who gets how many, and who
// is left with almost none.
//
//   slots --fill=loadmaster 1000 1000 1000 1000 1000
//
// prints one line for each server: its name, weight, slots and share.
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "io/base/status_macros.h"
#include "sched/fairness.h"
#include "sched/server_set.h"
#include "sched/source_hash_table.h"

namespace {

using ballast::sched::Fill;
using ballast::sched::ServerSet;
using ballast::sched::SourceHashTable;

constexpr char kHelp[] =
    "usage: slots [--fill=FILL] [--down=N,N...] WEIGHT...\n"
    "\n"
    "Deals the 4096 slots of source IP hash over servers rs1, rs2, ... of the\n"
    "given weights (0 to 65535) and prints, one line each:\n"
    "    rsN weight slots share\n"
    "\n"
    "  --fill=loadmaster  runs of `weight` slots in list order, then round\n"
    "                     again (default; exactly as LoadMaster does)\n"
    "  --fill=even        shares by largest remainder, fewest slots moved\n"
    "  --fill=maglev      Maglev's permutations\n"
    "  --down=2,7         rs2 and rs7 are down: their slots go to the others\n"
    "  --help             this text\n";

struct Request {
  Fill fill = Fill::kLoadMaster;
  std::vector<SourceHashTable::Server> servers;
  ServerSet down;
};

absl::StatusOr<Request> Parse(const std::vector<absl::string_view>& args) {
  Request request;
  std::vector<absl::string_view> down;
  for (absl::string_view arg : args) {
    if (absl::ConsumePrefix(&arg, "--fill=")) {
      BALLAST_ASSIGN_OR_RETURN(request.fill, ballast::sched::ParseFill(arg));
    } else if (absl::ConsumePrefix(&arg, "--down=")) {
      down = absl::StrSplit(arg, ',');
    } else if (uint32_t weight; absl::SimpleAtoi(arg, &weight)) {
      request.servers.push_back({request.servers.size() + 1, weight});
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", arg, "\" is neither an option nor a weight"));
    }
  }
  if (request.servers.empty()) {
    return absl::InvalidArgumentError("give at least one weight");
  }
  for (const absl::string_view number : down) {
    uint32_t n;
    if (!absl::SimpleAtoi(number, &n) || n < 1 || n > request.servers.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--down: \"", number, "\", must be 1 to ", request.servers.size()));
    }
    request.down.Set(static_cast<uint16_t>(n - 1), true);
  }
  return request;
}

absl::Status Run(const std::vector<absl::string_view>& args) {
  BALLAST_ASSIGN_OR_RETURN(const Request request, Parse(args));
  BALLAST_ASSIGN_OR_RETURN(
      const SourceHashTable table,
      SourceHashTable::Build(request.fill, request.servers));
  const auto counts = ballast::sched::CountSlots(table.Without(request.down),
                                                 request.servers.size());
  for (size_t i = 0; i < counts.size(); ++i) {
    std::printf("rs%zu %u %u %.2f%%\n", i + 1, request.servers[i].weight,
                counts[i], counts[i] * 100.0 / ballast::sched::kSlotCount);
  }
  std::fflush(stdout);
  for (const auto& warning : ballast::sched::FairnessWarnings(table)) {
    std::fprintf(stderr, "warning: rs%u: %s\n", warning.server + 1u,
                 warning.message.c_str());
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<absl::string_view> args(argv + 1, argv + argc);
  for (const absl::string_view arg : args) {
    if (arg == "--help" || arg == "-h") {
      std::fputs(kHelp, stdout);
      return 0;
    }
  }
  if (const absl::Status status = Run(args); !status.ok()) {
    std::fprintf(stderr, "slots: %s\nTry --help.\n",
                 std::string(status.message()).c_str());
    return 2;
  }
  return 0;
}
