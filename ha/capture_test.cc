#include "ha/capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace ballast::ha {
namespace {

using ::testing::HasSubstr;

using Bytes = std::vector<uint8_t>;

// One sync datagram of a Linux master (testdata/README.md).
Bytes MixedFile() {
  std::ifstream file("ha/testdata/ipvs-mixed-v4v6.pcap", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Reverses each 32-bit word of the headers of a file with one frame: what a
// machine of the other byte order would have written. (The file header's two
// version halves don't matter here.)
Bytes Swapped(Bytes file) {
  for (size_t at = 0; at < 40; at += 4) {
    std::reverse(file.begin() + at, file.begin() + at + 4);
  }
  return file;
}

absl::Status StatusOf(const Bytes& file) {
  PacketCapture capture(file);
  while (capture.Next()) {
  }
  return capture.status();
}

TEST(PacketCaptureTest, ReadsADatagram) {
  const Bytes file = MixedFile();
  PacketCapture capture(file);
  const auto packet = capture.Next();
  ASSERT_TRUE(packet);
  // As tshark 4.0 shows it.
  EXPECT_EQ(packet->frame, 1u);
  EXPECT_EQ(packet->file_offset, 40u);
  EXPECT_EQ(packet->protocol, 17);
  EXPECT_EQ(packet->ttl, 1);
  EXPECT_FALSE(packet->fragment);
  EXPECT_EQ(packet->destination.ToString(), "224.0.0.81");
  EXPECT_EQ(packet->when_us, capture.start_us());
  const auto segment = SegmentOf(*packet);
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->destination_port, 8848);
  EXPECT_EQ(segment->payload.size(), 116u);
  EXPECT_FALSE(capture.Next());
  EXPECT_TRUE(capture.status().ok()) << capture.status();
}

TEST(PacketCaptureTest, ReadsTheOtherByteOrder) {
  const Bytes file = MixedFile();
  const Bytes other = Swapped(file);
  PacketCapture capture(file);
  PacketCapture swapped(other);
  const auto a = capture.Next();
  const auto b = swapped.Next();
  ASSERT_TRUE(a && b) << swapped.status();
  EXPECT_EQ(a->when_us, b->when_us);
  EXPECT_EQ(a->payload.size(), b->payload.size());
}

TEST(PacketCaptureTest, ReadsNanoseconds) {
  Bytes file = MixedFile();
  PacketCapture microseconds(file);
  ASSERT_TRUE(microseconds.Next());
  file[0] = 0x4d;  // 4d 3c b2 a1: nanoseconds, little endian.
  file[1] = 0x3c;
  PacketCapture capture(file);
  const auto packet = capture.Next();
  ASSERT_TRUE(packet) << capture.status();
  EXPECT_EQ(packet->when_us / 1000000, microseconds.start_us() / 1000000);
  EXPECT_EQ(packet->when_us % 1000000,
            microseconds.start_us() % 1000000 / 1000);
}

TEST(PacketCaptureTest, NamesWhatIsWrongAndWhere) {
  EXPECT_THAT(StatusOf({1, 2, 3}).message(),
              HasSubstr("no pcap file: 3 bytes"));
  Bytes text(100, 'a');
  EXPECT_THAT(StatusOf(text).message(), HasSubstr("magic 0x61616161"));
  Bytes pcapng(100, 0);
  pcapng[0] = 0x0a;
  pcapng[1] = pcapng[2] = 0x0d;
  pcapng[3] = 0x0a;
  EXPECT_THAT(StatusOf(pcapng).message(), HasSubstr("editcap -F pcap"));
  Bytes cooked = MixedFile();
  cooked[20] = 113;
  EXPECT_THAT(StatusOf(cooked).message(),
              HasSubstr("at offset 20: link type 113"));
  Bytes cut = MixedFile();
  cut.pop_back();
  EXPECT_THAT(StatusOf(cut).message(),
              HasSubstr("at offset 24: frame 1 states 158 bytes, 157 are"));
  cut.resize(30);
  EXPECT_THAT(StatusOf(cut).message(),
              HasSubstr("at offset 24: ends in the header of a frame"));
  EXPECT_TRUE(absl::IsInvalidArgument(StatusOf(cut)));
}

TEST(PacketCaptureTest, EthernetPaddingIsNoPayload) {
  Bytes file = MixedFile();
  file.insert(file.end(), {0, 0, 0, 0});
  file[32] += 4;
  PacketCapture capture(file);
  const auto packet = capture.Next();
  ASSERT_TRUE(packet) << capture.status();
  EXPECT_EQ(packet->payload.size(), 124u);
}

TEST(PacketCaptureTest, AFragmentIsNoSegment) {
  Bytes file = MixedFile();
  file[40 + 14 + 6] = 0x20;  // More fragments.
  PacketCapture capture(file);
  const auto packet = capture.Next();
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->fragment);
  EXPECT_FALSE(SegmentOf(*packet));
}

TEST(PacketCaptureTest, FramesThatAreNoWholeIpPacketArePassedOver) {
  for (const size_t byte : {12, 14, 16}) {  // EtherType, version, length.
    Bytes file = MixedFile();
    file[40 + byte] = 0xff;
    PacketCapture capture(file);
    EXPECT_FALSE(capture.Next());
    EXPECT_TRUE(capture.status().ok());
    EXPECT_NE(capture.start_us(), 0);
  }
}

}  // namespace
}  // namespace ballast::ha
