// Whole files. testdata/NAME is converted to testdata/NAME.textproto, and what
// is not in that is in testdata/NAME.lost. ipvsadm_save.rules is what
// ipvsadm-save -n 1.31 printed on Linux 6.1; `haproxy -c` takes haproxy.cfg
// (haproxy_test.sh).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "examples/ctl/convert/conversion.h"
#include "examples/ctl/convert/haproxy.h"
#include "examples/ctl/convert/ipvsadm.h"
#include "examples/ctl/convert/keepalived.h"
#include "io/file.h"
#include "lb/config/format.h"
#include "lb/config/validate.h"

namespace ballast::ctl {
namespace {

struct Case {
  const char* file;
  Conversion (*convert)(absl::string_view text, const ConvertOptions& options);
};

void PrintTo(const Case& one, std::ostream* out) { *out << one.file; }

class GoldenTest : public ::testing::TestWithParam<Case> {
 protected:
  static std::string Read(const std::string& name) {
    const auto bytes =
        ReadFile("examples/ctl/convert/testdata/" + name, kSourceBytesMax);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    return bytes.ok() ? std::string(bytes->begin(), bytes->end()) : "";
  }
  static std::string ConfigOf(const Conversion& made) {
    return config::FormatConfig(made.config);
  }
  static std::string LostOf(const Conversion& made) {
    std::string lost;
    for (const Lost& one : made.lost) {
      absl::StrAppend(&lost, one.line, ": ", one.directive, ": ", one.why,
                      "\n");
    }
    return lost;
  }
  // One that is reported as a whole.
  static bool IsInLostBlock(const Conversion& made, int line) {
    for (const Lost& lost : made.lost) {
      if (lost.line < lost.last_line && lost.line <= line &&
          line <= lost.last_line) {
        return true;
      }
    }
    return false;
  }
  static bool IsReported(const Conversion& made, int line) {
    for (const Lost& lost : made.lost) {
      if (lost.line <= line && line <= lost.last_line) return true;
    }
    return false;
  }
  // Not empty, a comment, or something that may have a name.
  static bool SaysSomething(absl::string_view line) {
    const absl::string_view text = absl::StripAsciiWhitespace(line);
    return !text.empty() && !absl::StrContains(text, "#") &&
           !absl::StrContains(text, "!") && text != "defaults";
  }
  Conversion Convert(const std::string& text) {
    Conversion made = GetParam().convert(text, {});
    EXPECT_TRUE(made.config.virtual_services_size() == 0 ||
                config::Validate(made.config, 1).errors.empty())
        << text;
    return made;
  }

  const std::string name_ = GetParam().file;
  const std::string text_ = Read(name_);
  const std::vector<std::string> lines_ = absl::StrSplit(text_, '\n');
};

TEST_P(GoldenTest, IsConvertedAsItWas) {
  const Conversion made = Convert(text_);
  EXPECT_EQ(ConfigOf(made), Read(name_ + ".textproto"));
  std::string lost = LostOf(made);
  for (const std::string& advice : made.advice) {
    absl::StrAppend(&lost, "note: ", advice, "\n");
  }
  EXPECT_EQ(lost, Read(name_ + ".lost"));
}

TEST_P(GoldenTest, AWordInPlaceOfALineIsReportedThere) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    if (!SaysSomething(lines_[i])) continue;
    std::vector<std::string> changed = lines_;
    changed[i] = "unheard_of";
    EXPECT_TRUE(IsReported(Convert(absl::StrJoin(changed, "\n")),
                           static_cast<int>(i) + 1))
        << lines_[i];
  }
}

TEST_P(GoldenTest, AWordMoreIsReportedThereOrCarriedOver) {
  const Conversion before = Convert(text_);
  for (size_t i = 0; i < lines_.size(); ++i) {
    const int number = static_cast<int>(i) + 1;
    if (!SaysSomething(lines_[i]) || IsInLostBlock(before, number)) continue;
    std::vector<std::string> changed = lines_;
    absl::string_view line = absl::StripTrailingAsciiWhitespace(lines_[i]);
    const bool block = absl::ConsumeSuffix(&line, "{");
    changed[i] = absl::StrCat(line, " unheard_of", block ? " {" : "");
    const Conversion made = Convert(absl::StrJoin(changed, "\n"));
    EXPECT_TRUE((IsReported(made, number) && LostOf(made) != LostOf(before)) ||
                ConfigOf(made) != ConfigOf(before))
        << lines_[i];
  }
}

TEST_P(GoldenTest, WithoutAnyOneLineItIsStillAConfiguration) {
  for (size_t i = 0; i < lines_.size(); ++i) {
    std::vector<std::string> changed = lines_;
    changed.erase(changed.begin() + static_cast<ptrdiff_t>(i));
    Convert(absl::StrJoin(changed, "\n"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, GoldenTest,
    ::testing::Values(Case{"ipvsadm_save.rules", ConvertIpvsadm},
                      Case{"keepalived.conf", ConvertKeepalived},
                      Case{"haproxy.cfg", ConvertHaproxy}),
    [](const auto& info) { return absl::StrCat("Format", info.index); });

}  // namespace
}  // namespace ballast::ctl
