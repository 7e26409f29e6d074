// Another balancer's configuration made one of Ballast: what each converter
// has in common. Pure.
//
// No line passes silently. A converter tells its Ledger of each line what it
// used and what it could not carry over; a line that it says nothing of is
// reported as not understood. What comes out passes config::Validate(): a
// service that does not is left out, and reported with what is wrong with it.
//
// Bounds   kSourceBytesMax of text; time linear in it but for Validate().
#ifndef EXAMPLES_CTL_CONVERT_CONVERSION_H_
#define EXAMPLES_CTL_CONVERT_CONVERSION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "lb/config/ballast.pb.h"

namespace ballast::ctl {

inline constexpr size_t kSourceBytesMax = size_t{1} << 20;

struct ConvertOptions {
  // The link that services of layer 4 are on; empty: "eth0".
  std::string interface;
  // For listeners that name no address; empty: these are not carried over.
  std::string address;
};

struct Lost {
  int line = 0;       // From 1; 0: of the whole.
  int last_line = 0;  // Of a block, else as `line`.
  std::string directive;
  std::string why;
};

struct Conversion {
  config::proto::Config config;
  std::vector<Lost> lost;           // By line.
  std::vector<std::string> advice;  // What is to be done or known besides.
};

class Ledger {
 public:
  // Above kSourceBytesMax there are no lines, and that is what is lost. Bytes
  // beyond ASCII become '?', and are reported but in comments.
  explicit Ledger(absl::string_view text);
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  int line_count() const { return static_cast<int>(lines_.size()); }
  absl::string_view line(int number) const { return lines_[number - 1]; }

  // The line, or some of it, is carried over or says nothing.
  void Use(int line) { seen_[line] = true; }
  // `directive` as it stands there; what else the line says may be used.
  void Lose(int line, absl::string_view directive, absl::string_view why);
  // Of a block that is not looked into: all its lines, reported as one.
  void LoseBlock(int line, int last_line, absl::string_view directive,
                 absl::string_view why);
  // Once, however often it is said.
  void Advise(absl::string_view text);

  // The service that `line` asks for, with its servers or not yet; stays where
  // it is. Null, and reported: there are too many.
  config::proto::VirtualService* AddService(
      int line, const config::proto::VirtualService& service);
  config::proto::Config* config() { return &conversion_.config; }

  Conversion Finish(const ConvertOptions& options);

 private:
  void LeaveOutInvalid();

  std::string text_;
  std::vector<absl::string_view> lines_;  // Of it.
  std::vector<bool> seen_;                // By number of line.
  std::vector<int> service_lines_;
  int servers_ = 0;  // That services were added with.
  std::set<std::string> advised_;
  Conversion conversion_;
};

// A number without sign or anything else.
std::optional<uint32_t> ReadNumber(absl::string_view word);

// `value`, or reported, the nearest that it may be.
uint32_t Within(uint32_t value, uint32_t min, uint32_t max, int line,
                absl::string_view directive, Ledger& ledger);

// How long entries last: whole minutes.
uint32_t PersistenceSeconds(uint32_t seconds, int line,
                            absl::string_view directive, Ledger& ledger);

// What there is of `name` that a service, server or sub service may be called.
std::string LabelOf(absl::string_view name);

// Whether a check can ask for it.
bool IsCheckUrl(absl::string_view text);

// Settles what a check's times have to do with each other.
void SettleTimes(int line, config::proto::HealthCheck* check, Ledger& ledger);

}  // namespace ballast::ctl

#endif  // EXAMPLES_CTL_CONVERT_CONVERSION_H_
