#include "io/line_output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>

#include "io/unique_fd.h"

namespace ballast {
namespace {

std::string ReadAll(int fd) {
  std::string text;
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
    text.append(buffer, static_cast<size_t>(got));
  }
  return text;
}

// Blocking descriptors: the test hangs where Write() would wait.
struct Ends {
  UniqueFd read, write;
};
Ends Pipe() {
  int fds[2];
  EXPECT_EQ(pipe(fds), 0);
  EXPECT_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}
Ends Socket() {
  int fds[2];
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
  EXPECT_EQ(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

class LineOutputTest : public ::testing::TestWithParam<Ends (*)()> {};

TEST_P(LineOutputTest, AFullReaderCostsLinesAndNoTime) {
  const Ends ends = GetParam()();
  LineOutput output(ends.write.get());
  const std::string line = std::string(4095, 'x') + "\n";
  std::string expected;
  while (output.Write(line)) {
    expected += line;
    ASSERT_LT(expected.size(), size_t{64} << 20) << "it never fills";
  }
  EXPECT_FALSE(output.Write("small\n"));
  EXPECT_EQ(output.dropped(), 2u);
  EXPECT_EQ(ReadAll(ends.read.get()), expected);  // Whole lines.
  EXPECT_TRUE(output.Write("again\n"));
  EXPECT_EQ(ReadAll(ends.read.get()), "again\n");
}

INSTANTIATE_TEST_SUITE_P(, LineOutputTest, ::testing::Values(&Pipe, &Socket));

TEST(LineOutputPipeTest, AReaderThatHasGoneEndsNobody) {
  Ends ends = Pipe();
  LineOutput output(ends.write.get());
  ends.read.Reset();
  EXPECT_FALSE(output.Write("lost\n"));
  EXPECT_EQ(output.dropped(), 1u);
}

TEST(LineOutputPipeTest, FilesTakeAll) {
  const std::string path = ::testing::TempDir() + "/line_output";
  const UniqueFd file(open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600));
  LineOutput output(file.get());
  EXPECT_TRUE(output.Write("a\n"));
  EXPECT_TRUE(output.Write("b\n"));
  EXPECT_EQ(lseek(file.get(), 0, SEEK_SET), 0);
  EXPECT_EQ(ReadAll(file.get()), "a\nb\n");
}

}  // namespace
}  // namespace ballast
